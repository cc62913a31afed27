"""Worker processes on this machine: each loads the model's file and writes raw arrays into the run's folder."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from onnxpath.report.job.units import Unit
from onnxpath.report.workers.crew import Lost, Told
from onnxpath.report.workers.messages import Start, receive, send

PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from onnxpath.report.workers.worker import main; main()"
)
"""Not multiprocessing's spawn, which runs the caller's script once more in every child."""


class Processes:
    """Worker processes, see `Crew`.

    start: what each is told first; devices: the CUDA device of each in turn, none for the CPU.
    """

    def __init__(self, first: Start, devices: Sequence[str] = ()) -> None:
        self._first = first
        self._devices = devices
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._told: queue.Queue[tuple[int, Told]] = queue.Queue()
        self._listeners: list[threading.Thread] = []

    def start(self) -> None:
        """Start one more process, and a thread that listens to it."""
        number = len(self._workers)
        device = {"CUDA_VISIBLE_DEVICES": self._devices[number % len(self._devices)]} if self._devices else {}
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **device},
            start_new_session=True,  # Ctrl-C is for this process, which ends its workers
        )
        self._workers[number] = process
        listener = threading.Thread(target=self._listen, args=(number, process), name=f"worker {number}", daemon=True)
        self._listeners.append(listener)
        listener.start()

    def give(self, worker: int, unit: Unit, searched: Mapping[str, float]) -> None:
        """Send a unit."""
        with suppress(OSError):  # it is gone, which its listener tells
            send(self._workers[worker].stdin, (unit, searched))

    def wait(self) -> tuple[int, Told]:
        """Return what a listener heard."""
        return self._told.get()

    def close(self) -> None:
        """Kill all processes: what they were writing has no name yet."""
        for process in self._workers.values():
            process.kill()
        for process, listener in zip(self._workers.values(), self._listeners, strict=True):
            process.wait()
            listener.join()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        try:
            send(process.stdin, self._first)
            while True:
                self._told.put((number, receive(process.stdout)))
        except (EOFError, OSError):
            self._told.put((number, Lost(_ended(process.wait()))))
        except Exception as error:  # half a message, or one that cannot be read
            process.kill()
            self._told.put((number, Lost(f"after it told what cannot be read ({error})")))


def _ended(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"killed by {name}" + ", as happens where memory runs out" * (name == "SIGKILL")
    return f"killed by signal {-code}"


def cuda_devices() -> list[str]:
    """Return the CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them; empty without any."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [device.strip() for device in chosen.split(",") if device.strip()]
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.split()
    return []
