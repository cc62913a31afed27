"""Running the program: in this process where that is enough, in one of its own where it is not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

from typer.testing import CliRunner

from onnxpath_cli.main import app
from tests.models import FOLDER, sample

PREPROCESS, CLASSES, IMAGES = FOLDER / "preprocess.toml", FOLDER / "classes.txt", FOLDER / "images"
ONE_IMAGE = sorted(IMAGES.glob("*.png"))[0]
CNN = sample("digits_cnn")
NAMED = {"model.onnx": CNN, "cat.png": ONE_IMAGE, "preprocess.toml": PREPROCESS, "classes.txt": CLASSES}
"""Files that examples in texts name -> what stands for them."""
ENVIRONMENT = {"NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}


def lay_out(folder, **more):
    """Copy what examples name into a folder, and more files: name -> source."""
    for name, source in (NAMED | more).items():
        shutil.copy(source, folder / name)
    shutil.copytree(IMAGES, folder / "images")


@dataclass
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as JSON; NaN is not JSON."""
        assert self.out, self.err
        return json.loads(self.out, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))


def run(*arguments):
    """Run a command in this process. An exception that would be a traceback is raised."""
    done = CliRunner().invoke(app, [str(a) for a in arguments], env=ENVIRONMENT)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def run_apart(*arguments, **environment):
    """Run a command in a process of its own."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, env=environ(**environment), timeout=120)
    return Done(done.returncode, done.stdout, done.stderr)


def started(*arguments):
    """A process of its own that runs a command, and that signals reach."""
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(),
        # A shell that runs the tests in the background has them ignore Ctrl-C, and what they start as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def command(*arguments):
    """The command line of a process of its own."""
    return [sys.executable, "-m", "onnxpath_cli", *map(str, arguments)]


def environ(**changes):
    """The environment of a process of its own."""
    return {**os.environ, **ENVIRONMENT, **changes}


def refused(folder, *arguments, code=2):
    """Run a command with `-o FOLDER` that must fail, and return its error text; checks that nothing is left behind."""
    before = tree(folder.parent)
    done = run(*arguments, "-o", folder)
    assert done.code == code, done
    assert done.out == "" and done.err.startswith("onnxpath: "), done
    assert "Traceback" not in done.err and "bug in onnxpath" not in done.err, done.err
    assert tree(folder.parent) == before
    return done.err


def tree(folder):
    """Every file and folder below a folder, hidden ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
