"""`onnxpath report --workers`: a run that is stopped or killed takes its worker processes with it."""

import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.program import CNN, IMAGES, PREPROCESS, refused, run, started
from tests.models import sample_images

CHILDREN = Path("/proc/self/task")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not CHILDREN.exists(), reason="children are looked up in Linux's /proc"
)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def until(done, seconds=60):
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found, "it never came"
    return found


def alive(pid):
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_worker_outlives_its_run(tmp_path, number, code):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "many.npy", np.repeat(sample_images(), 4000, 0))
    given = ["report", CNN, tmp_path / "in", "--preprocess", PREPROCESS, "--workers", 2, "-o", tmp_path / "out"]
    process = started(*given)
    try:
        until(lambda: list((tmp_path / "out").glob("arrays/*/*.npz")) or process.poll() is not None)
        workers = children(process.pid)
        assert len(workers) == 2, process.communicate()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code and out == "" and "Traceback" not in err, err
    assert number == signal.SIGKILL or "stopped; files written so far are whole" in err
    until(lambda: not any(map(alive, workers)), 10)
    if number != signal.SIGKILL:
        assert {path.suffix for path in (tmp_path / "out" / "arrays").glob("*/*")} <= {".npz", ".json"}
        assert not list(tmp_path.glob("out/arrays/*/.*"))


def test_workers_say_nothing_of_their_own(tmp_path):
    done = run("report", CNN, IMAGES, "--preprocess", PREPROCESS, "--workers", 2, "--unit", 4, "-o", tmp_path, "--json")
    assert (done.code, done.err) == (0, "") and done.json["inputs"] == 12


def test_an_engine_that_is_not_there(tmp_path):
    text = refused(tmp_path / "out", "report", CNN, IMAGES, "--engine", "locl")
    assert "no engine named 'locl'; did you mean 'local'?" in text
    assert [engine["name"] for engine in run("list", "engines", "--json").json] == ["local", "ray"]
