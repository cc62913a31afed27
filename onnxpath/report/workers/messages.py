"""Messages between a run and the worker processes that it started.

They are pickled. Nothing else is anywhere in onnxpath, and nobody but these two processes reads or writes the pipe.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from onnxpath.report.job.recipe import Recipe


@dataclass(frozen=True)
class Start:
    """What a worker process is told first. model: the file; folder: the run's, where raw arrays go."""

    recipe: Recipe
    model: Path
    folder: Path


def send(pipe: IO[bytes] | None, message: Any) -> None:
    """Send a message. Raises OSError where nobody is left to read it."""
    assert pipe is not None
    pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def receive(pipe: IO[bytes] | None) -> Any:
    """Return the next message. Raises EOFError where there will be none."""
    assert pipe is not None
    return pickle.load(pipe)


def portable(error: BaseException) -> BaseException:
    """Return an error that another process can take as it is, one that cannot be sent as a RuntimeError of its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
