"""Errors as text and exit codes: 0 done, 1 some inputs failed, 2 nothing could be done."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from onnxpath_cli.output import complain

SOME_FAILED, NOTHING_DONE = 1, 2
DEBUG = "ONNXPATH_DEBUG"
MODELS = ("model", "one", "other")
"""Arguments of verbs that name a model."""


def errors_as_text(verb: Callable[..., None]) -> Callable[..., None]:
    """Wrap a verb: an OnnxPathError becomes its text and exit code 2, never a traceback."""

    @functools.wraps(verb)
    def guarded(*args: Any, **kwargs: Any) -> None:
        from onnxpath.errors import OnnxPathError

        logging.basicConfig(level=logging.INFO, format="onnxpath: %(message)s", stream=sys.stderr)
        try:
            with _stopping() as stopped:
                verb(*args, **kwargs)
        except OnnxPathError as error:
            complain(str(error))
            raise typer.Exit(NOTHING_DONE) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except MemoryError as error:
            complain(f"the machine has not enough memory for this: {error or 'no more is to be had'}")
            raise typer.Exit(NOTHING_DONE) from None
        except (Exception, KeyboardInterrupt) as error:
            if _was_stopped(error):
                complain("stopped; files written so far are whole")
                raise typer.Exit(128 + (stopped or [signal.SIGINT])[0]) from None
            complain(_refused(kwargs) or _bug(error))
            raise typer.Exit(NOTHING_DONE) from None

    return guarded


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Let SIGTERM stop a verb as Ctrl-C does, so that files being written are taken away; yields signals received."""
    received: list[int] = []

    def stop(number: int, _frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _was_stopped(error: BaseException | None) -> bool:
    """True for an interrupt, and for what a library raised while it gave way to one (zipfile does)."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _refused(given: Mapping[str, Any]) -> str:
    """Return what ONNX Runtime says against the models that a verb was given: those are the file's faults, no bugs."""
    from onnxpath.runtime.refused import why_refused

    models = [value for name in MODELS if isinstance(value := given.get(name), Path)]
    told = [f"ONNX Runtime does not load '{model}': {reason}" for model in models if (reason := why_refused(model))]
    return "\n".join([*told, "export or copy the file again"]) if told else ""


def _bug(error: BaseException) -> str:
    text = f"this is a bug in onnxpath: {type(error).__name__}: {error}"
    if os.environ.get(DEBUG):
        return f"{text}\n{''.join(traceback.format_exception(error))}"
    return f"{text}\nrun again with {DEBUG}=1 for the traceback, and report it together with the command"
