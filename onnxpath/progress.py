"""Progress of long computations: they tell it, and whoever listens shows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Listener: TypeAlias = Callable[[str, int, int], None]
"""f(what, done, total): `done` of `total` steps of `what` are done."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def track(steps: Collection[T], what: str) -> Iterator[T]:
    """Pass the steps of a computation on, and tell the listener after each how many are done."""
    for done, step in enumerate(steps, 1):
        yield step
        tell(what, done, len(steps))


def tell(what: str, done: int, total: int) -> None:
    """Tell the listener how many steps are done."""
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of all steps inside the block. What it raises (KeyboardInterrupt) ends the computation."""
    before = _listener.get()
    _listener.set(listener)
    try:
        yield
    finally:
        _listener.set(before)
