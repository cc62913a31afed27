"""A worker process: explains the units that its run sends it, one after the other, for as long as the run lives."""

from __future__ import annotations

import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

from onnxpath.report.job.lock import LOCK, lost
from onnxpath.report.job.units import explain_units
from onnxpath.report.workers.crew import Done, Ready
from onnxpath.report.workers.messages import Start, portable, receive, send
from onnxpath.report.write import Write, into


def main() -> None:
    """Go on until the run, which holds the other ends of standard input and output, is done or gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between messages
    orders: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), daemon=True).start()
    try:
        first: Start = orders.get()
        model = first.recipe.model(first.model)
        send(answers, Ready())
        while True:
            unit, searched = orders.get()
            explain_units(
                model,
                first.recipe.task,
                [unit],
                searched,
                _into(first.folder),
                lambda finished: send(answers, Done(finished)),
            )
    except BaseException as error:
        send(answers, portable(error))


def _listen(orders: IO[bytes], given: queue.Queue[Any]) -> None:
    try:
        while True:
            given.put(receive(orders))
    except (EOFError, OSError):
        os._exit(0)  # in the middle of a unit too: the run is gone, and another may go on with it


def _into(folder: Path) -> Write:
    write = into(folder)

    def checked(path: str, data: bytes) -> None:
        if not (folder / LOCK).exists():
            raise lost(folder)
        write(path, data)

    return checked
