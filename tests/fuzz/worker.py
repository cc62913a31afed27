"""One process that runs cases, and says what came of each: `python -m tests.fuzz.worker SEED FOLDER`.

Numbers of cases are read from standard input, one a line; a line of JSON is printed for each.
"""

import gc
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from onnxpath.report.job import beside
from onnxpath_cli.main import app
from tests.cli.program import ENVIRONMENT
from tests.fuzz.cases import build

SECONDS = 20
"""Of processor time: a machine may be busy with other things."""
MEMORY = 4 << 30
"""Bytes that a case may ask for, beyond what a worker holds when it starts."""
PAGES = (".html", ".svg", ".js")
MARK = b"<fuzz"
"""In names; a page that holds it has not escaped one."""


def attempt(seed, number, root):
    """Run one case and return {number, kind, what, argv, code, problem}; problem: "" where nothing is wrong."""
    shutil.rmtree(root, ignore_errors=True)
    # Deep, so that what climbs out is seen.
    folder = root / "a" / "b" / "case"
    case = build(seed, number, folder)
    work = root / "a" / "work"
    work.mkdir()
    os.chdir(work)
    before = _tree(root)
    # As a run of more inputs than a case has: data files lie beside the page.
    with patch.object(beside, "INLINE", 0 if number % 2 else beside.INLINE):
        done = CliRunner().invoke(app, list(case.argv), env=ENVIRONMENT)
    problem = _problem(done) or _strays(before, root, folder / "out") or _unescaped(folder / "out")
    facts = {"number": number, "kind": case.kind, "what": case.what, "argv": list(case.argv), "code": done.exit_code}
    return {**facts, "problem": problem, "says": done.stderr.strip()[:300]}


def _problem(done):
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return f"{type(done.exception).__name__}: {done.exception}"[:2000]
    for text in ("this is a bug in onnxpath", "Traceback"):
        if text in done.stderr:
            return done.stderr[done.stderr.index(text) :][:6000]
    if done.exit_code not in (0, 1, 2):
        return f"exit code {done.exit_code}"
    if done.exit_code and not any(text in done.stderr for text in ("onnxpath: ", "Usage: ")):
        return f"exit code {done.exit_code} without a word: {done.stderr[:200]}"
    return ""


def _strays(before, root, out):
    strays = [path for path in _tree(root) - before if path != out and not path.is_relative_to(out)]
    return f"files outside the output folder: {sorted(map(ascii, strays))}" if strays else ""


def _unescaped(out):
    pages = [out] if out.is_file() else [path for path in out.rglob("*") if path.suffix in PAGES]
    held = [p.name for p in pages if p.suffix in PAGES and p.is_file() and MARK in p.read_bytes()]
    return f"names stand unescaped in {held}" if held else ""


def _tree(folder):
    return set(folder.rglob("*"))


def main():
    seed, root = int(sys.argv[1]), Path(sys.argv[2])
    # Loaded first, so that the limit counts only what cases ask for.
    import onnxpath.report
    import onnxpath.runtime.session  # noqa: F401

    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        answer = attempt(seed, int(line), root)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), file=answers, flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
