"""Every verb of the command table: help with an example that works, its page in the docs, --json, exit codes."""

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from docs import make_cli
from onnxpath_cli.main import VERBS, app
from tests.cli.program import CNN, IMAGES, ONE_IMAGE, PREPROCESS, command, environ, lay_out, run, run_apart, tree
from tests.models import FOLDER, sample

COMMANDS = get_command(app).commands
EVERY_VERB = pytest.mark.parametrize("verb", VERBS)
LABELLED = Path(tempfile.gettempdir()) / f"labelled-{os.getpid()}.npz"
FEW = ["--methods", "gradient", "--percents", 50, "--seeds", 1, "--epochs", 1]
# What makes each verb do something small.
SMALL = {
    "inspect": [CNN, "--placement", "--tensors"],
    "activations": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", "OUT"],
    "gradient": [CNN, "-o", "OUT/gradient.onnx"],
    "explain": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", "OUT"],
    "pathway": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", "OUT"],
    "radius": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--units", 20, "-o", "OUT"],
    "decode": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--steps", 2, "-o", "OUT"],
    "report": [CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", "OUT"],
    "evaluate": [CNN, IMAGES, "--preprocess", PREPROCESS, "--metrics", "lerf", "-o", "OUT"],
    "roar": [CNN, LABELLED, LABELLED, "--preprocess", PREPROCESS, *FEW, "-o", "OUT"],
    "compile": [CNN, "-o", "OUT/explainer.onnx"],
    "compare": [CNN, CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", "OUT"],
    "list": ["methods"],
}


@pytest.fixture(scope="module", autouse=True)
def labelled():
    """The sample pictures with their labels, in one file."""
    files = sorted(IMAGES.glob("*.png"))
    images = np.stack([np.asarray(Image.open(file).convert("L")) for file in files])
    np.savez(LABELLED, images=images, labels=[int(file.stem[-1]) for file in files])
    yield
    LABELLED.unlink()


def small(verb, folder):
    return [verb, *(str(a).replace("OUT", str(folder / "out")) for a in SMALL[verb])]


def examples(verb):
    return COMMANDS[verb].help.partition("\b\nExample:\n")[2].replace("\\\n", "").strip().splitlines()


@EVERY_VERB
def test_help_fits_80_columns_and_has_an_example(verb):
    text = run(verb, "--help").out
    assert COMMANDS[verb].help.splitlines()[0] in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert all(line.strip() in text for line in COMMANDS[verb].help.partition("Example:\n")[2].splitlines())
    assert examples(verb) and all(p.help for p in COMMANDS[verb].params)


@EVERY_VERB
def test_the_example_works(verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path, **{"model_int8.onnx": CNN, "train.npz": LABELLED, "test.npz": LABELLED})
    for example in examples(verb):
        program, *arguments = shlex.split(example)
        arguments = ["/Relu_output_0" if a == "/features/Relu_output_0" else a for a in arguments]
        done = run(*arguments)
        assert program == "onnxpath" and done.code == 0 and done.out, done


def test_the_first_command_of_the_readme_works(tmp_path, monkeypatch):
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"&& onnxpath (report .*) -o report$", readme, re.MULTILINE)
    monkeypatch.chdir(FOLDER.parent)
    done = run(*shlex.split(arguments), "-o", tmp_path / "report")
    assert done.code == 0 and (tmp_path / "report" / "report.html").is_file(), done


def test_the_reference_is_what_the_program_says():
    assert make_cli.PAGE.read_text(encoding="utf-8") == make_cli.page(), "run `python docs/make_cli.py`"
    for verb in VERBS:
        assert f"## {verb}\n" in make_cli.reference()


@EVERY_VERB
def test_json_is_all_there_is_on_standard_output(verb, tmp_path):
    done = run(*small(verb, tmp_path), "--json")
    assert done.code == 0 and done.json
    assert done.err == ""


@EVERY_VERB
def test_text_output(verb, tmp_path):
    done = run(*small(verb, tmp_path))
    assert done.code == 0 and done.out and done.err == ""


@EVERY_VERB
def test_a_model_that_is_not_there(verb, tmp_path):
    wrong = [str(tmp_path / "no.onnx") if a == str(CNN) else a for a in small(verb, tmp_path)]
    wrong = [*wrong[:-1], "metods"] if verb == "list" else wrong
    done = run(*wrong, "--json")
    assert done.code == 2 and done.out == ""
    assert "no.onnx' does not exist" in done.err or "did you mean 'methods'?" in done.err
    assert tree(tmp_path) == []


@EVERY_VERB
def test_usage_errors_stay_those_of_typer(verb):
    done = run(verb, "--no-such-option")
    assert done.code == 2 and "No such option" in done.err and "Usage" in done.err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "OUT" in str(SMALL[verb])])
def test_out_is_required(verb, tmp_path):
    assert "--out" in run(*small(verb, tmp_path)[:-2]).err


def test_seven_verbs_have_a_small_command():
    assert list(SMALL) == list(VERBS)


def test_no_verb_prints_the_help():
    done = run()
    assert all(verb in done.out for verb in VERBS)


def test_version():
    assert run("--version").out.startswith("onnxpath 0.")


@pytest.mark.parametrize(
    "program", [[str(Path(sys.executable).with_name("onnxpath"))], [sys.executable, "-m", "onnxpath_cli"]]
)
def test_both_entry_points(program):
    if not Path(program[0]).exists():
        pytest.skip("the script onnxpath is not installed beside this Python")
    done = subprocess.run([*program, "list", "selectors", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '"neuron-mct"' in done.stdout and done.stderr == ""


def test_progress_is_on_standard_error_where_that_is_a_terminal(tmp_path):
    master, terminal = pty.openpty()
    arguments = ["report", CNN, IMAGES, "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json"]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=terminal, env=environ(TERM="xterm"))
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        shown += part
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 0 and out.startswith(b"{")
    assert b"12/12" in shown


def test_a_pipe_that_closes_early_is_no_bug():
    line = " ".join(map(shlex.quote, command("inspect", CNN, "--tensors", "--json"))) + " | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environ(), timeout=60)
    assert done.stdout == "{\n" and "bug" not in done.stderr and "Traceback" not in done.stderr


def test_inspect_of_a_large_model_stays_readable(tmp_path):
    import onnx

    from tests.models import parse

    nodes = "; ".join(f"a{i + 1} = Relu(a{i})" for i in range(200))
    onnx.save(parse(f"m (float[n, 3] a0) => (float[n, 3] y) {{ {nodes}; y = Neg(a200) }}"), tmp_path / "deep.onnx")
    text = run("inspect", tmp_path / "deep.onnx").out
    assert len(text.splitlines()) < 50 and "and 170 more, which --json lists" in text
    assert len(run("inspect", tmp_path / "deep.onnx", "--tensors").out.splitlines()) > 200
    assert len(run("inspect", tmp_path / "deep.onnx", "--json").json["neuron_layers"]) == 200


@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet", "digits_vit"])
def test_inspect_says_what_is_in_a_sample_model(name):
    facts = run("inspect", sample(name), "--json").json
    assert facts["inputs"][0]["shape"] == ["batch", 1, 16, 16] and facts["missing"] == {}
    assert facts["neuron_layers"] and facts["explained"]["tensor"] == "logits"


def test_a_bug_is_called_one_and_shows_its_traceback_only_on_request(tmp_path):
    planted = tmp_path / "sitecustomize.py"
    planted.write_text("import onnxpath.graph.load as m\ndef fail(*a, **k): return 1 / 0\nm.read_model = fail\n")
    arguments = ["inspect", CNN]
    plain = run_apart(*arguments, PYTHONPATH=str(tmp_path))
    assert plain.code == 2 and plain.out == ""
    assert (
        "this is a bug in onnxpath: ZeroDivisionError: division by zero" in plain.err and "Traceback" not in plain.err
    )
    shown = run_apart(*arguments, PYTHONPATH=str(tmp_path), ONNXPATH_DEBUG="1")
    assert shown.code == 2 and "Traceback" in shown.err


def test_explain_says_what_the_method_chose(tmp_path):
    words = ["explain", CNN, IMAGES, "--preprocess", PREPROCESS, "--method", "grad-cam", "-o", tmp_path / "out"]
    told = run(*words).out
    assert told.count("note: the layer is '/Relu_2_output_0'") == 1
    assert run(*words, "--json").json["results"][0]["notes"] == [told.strip().rpartition("note: ")[2]]
