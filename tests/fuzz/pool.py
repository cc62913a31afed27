"""Workers that are started again when a case takes them down."""

import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.conftest import ROOT

WALL = 180
"""Seconds after which a case is ended even though it uses no processor time."""


def attempts(seed, numbers, workers=2, until=math.inf):
    """Run cases and yield {number, kind, code, problem, ...} of each as it is done, in any order.

    until: time on the monotonic clock after which no case is begun.
    """
    todo, done = queue.Queue(), queue.Queue()
    for number in numbers:
        todo.put(number)
    with tempfile.TemporaryDirectory(prefix="onnxpath-fuzz-") as folder:
        threads = [
            threading.Thread(target=_work, args=(seed, Path(folder, str(i)), until, todo, done), daemon=True)
            for i in range(workers)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            # Each worker says None when it is through.
            yield from iter(done.get, None)
        for thread in threads:
            thread.join()


def _work(seed, folder, until, todo, done):
    worker = None
    while time.monotonic() < until:
        try:
            number = todo.get_nowait()
        except queue.Empty:
            break
        worker = worker if worker is not None and worker.poll() is None else _started(seed, folder)
        answer = _asked(worker, number)
        if worker.poll() is not None and _said_by(folder).exists():
            answer["says"] = _said_by(folder).read_text(errors="replace")[-2000:]
        done.put(answer)
    if worker is not None:
        _ended(worker)
    done.put(None)


def _started(seed, folder):
    environment = {**os.environ, "ONNXPATH_DEBUG": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with _said_by(folder).open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(seed), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environment,
        )


def _said_by(folder):
    """Where a worker writes what no case has caught: why it went down."""
    return folder.with_suffix(".err")


def _ended(worker):
    """Let a worker end, and return its exit code."""
    with suppress(BrokenPipeError):
        worker.stdin.close()
    worker.stdout.close()
    return worker.wait()


def _asked(worker, number):
    timer = threading.Timer(WALL, worker.kill)
    timer.start()
    try:
        worker.stdin.write(f"{number}\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
    except BrokenPipeError:
        line = ""
    finally:
        timer.cancel()
    if line:
        return json.loads(line)
    code = _ended(worker)
    ended = {-signal.SIGPROF: "hang: over 20 s of processor time", -signal.SIGKILL: f"hang: over {WALL} s, or killed"}
    problem = ended.get(code, f"crash of the interpreter: exit code {code}")
    return {"number": number, "kind": "?", "what": "?", "argv": [], "code": code, "problem": problem, "says": ""}
