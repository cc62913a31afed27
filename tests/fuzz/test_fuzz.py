"""Three hundred cases of the fuzzer, and proof that it sees what it looks for."""

import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from tests.cli.program import run
from tests.conftest import ROOT
from tests.fuzz import worker
from tests.fuzz.__main__ import summary
from tests.fuzz.cases import KINDS, WITHOUT_RESULTS, build
from tests.fuzz.pool import attempts
from tests.fuzz.settings import COMMANDS

CASES = range(900, 1200)
"""Of seed 0: a block with few of the models of 1,500 layers, 41 s of processor time."""


def test_cases():
    answers = list(attempts(0, CASES))
    assert len({answer["number"] for answer in answers}) == len(CASES)
    assert not [answer for answer in answers if answer["problem"]], summary(answers)
    codes = {answer["code"] for answer in answers}
    assert codes == {0, 1, 2} and {answer["kind"] for answer in answers} == {kind.__name__ for kind in KINDS}


def test_a_case_is_the_same_again(tmp_path):
    for number in range(30):
        one, other = (build(3, number, tmp_path / name / str(number)) for name in ("a", "b"))
        assert (one.kind, one.what) == (other.kind, other.what)
        files = [sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("a", "b")]
        assert [f.relative_to(tmp_path / "a") for f in files[0]] == [f.relative_to(tmp_path / "b") for f in files[1]]
        # Archives hold the time of their making, and JSON of finished reports the folder's name.
        pairs = [p for p in zip(*files, strict=True) if p[0].suffix not in (".npz", ".toml")]
        assert all(a.read_bytes() == b.read_bytes() for a, b in pairs), one


@pytest.mark.parametrize(
    ("said", "code", "seen"),
    [
        ("onnxpath: this is a bug in onnxpath: KeyError: 3", 2, "this is a bug"),
        ("Traceback (most recent call last)", 1, "Traceback"),
        ("onnxpath: fine", 3, "exit code 3"),
        ("", 2, "without a word"),
        ("onnxpath: model 'x' does not exist", 2, ""),
        ("", 0, ""),
    ],
)
def test_what_counts_as_wrong(said, code, seen):
    import typer

    app = typer.Typer()

    @app.command()
    def verb():
        typer.echo(said, err=True)
        raise typer.Exit(code)

    found = worker._problem(CliRunner().invoke(app, []))
    assert seen in found and bool(seen) == bool(found)


@pytest.mark.parametrize("verb", COMMANDS)
def test_commands_fail_only_where_something_is_hostile(verb, tmp_path):
    out = [] if verb in WITHOUT_RESULTS else ["-o", tmp_path / "out"]
    assert run(verb, *COMMANDS[verb], *out, "--json").code == 0


def test_files_elsewhere_and_unescaped_names_are_seen(tmp_path):
    out = tmp_path / "a" / "out"
    out.mkdir(parents=True)
    before = worker._tree(tmp_path)
    (out / "page.html").write_text("<p>&lt;fuzz&gt;")
    assert not worker._strays(before, tmp_path, out) and not worker._unescaped(out)
    (tmp_path / "stray").touch()
    (out / "page.html").write_text("<p><fuzz>")
    assert "stray" in worker._strays(before, tmp_path, out) and "page.html" in worker._unescaped(out)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", "crash of the interpreter: exit code -11"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGPROF)})", "hang: over 20 s of processor time"),
        ("raise SystemExit(3)", "crash of the interpreter: exit code 3"),
    ],
)
def test_a_worker_that_goes_down_is_told_and_replaced(monkeypatch, code, says):
    """Case 1 takes its worker down; cases 0 and 2 are run all the same."""
    text = "\n".join(
        (
            "import json, sys",
            "for line in sys.stdin:",
            "    if int(line) == 1:",
            f"        {code}",
            "    print(json.dumps({'number': int(line), 'problem': ''}), flush=True)",
        )
    )

    def started(seed, folder):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        return subprocess.Popen([sys.executable, "-c", text], **pipes)

    monkeypatch.setattr("tests.fuzz.pool._started", started)
    answers = {answer["number"]: answer["problem"] for answer in attempts(0, range(3), workers=1)}
    assert answers == {0: "", 1: says, 2: ""}


def test_no_case_is_begun_after_the_time():
    assert list(attempts(0, range(5), until=time.monotonic() - 1)) == []
