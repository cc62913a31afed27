"""Results show themselves: in a line of text, and in a notebook as HTML that the report layer draws.

The layers below know no HTML. This is the one door upward: a name, looked up when the first result is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

DRAWN_BY = "onnxpath.report.notebook"
"""The module whose `html_of(value)` draws any of them."""

MOST_LETTERS, MOST_ENTRIES = 60, 3


class Shown:
    """Base of what users hold. A dataclass that is one leaves its own repr out: `@dataclass(repr=False)`."""

    __slots__ = ()

    def __repr__(self) -> str:
        told = [f"{name}={brief(value)}" for name, value in facts_of(self).items() if not _nothing(value)]
        return f"{type(self).__name__}({', '.join(told)})"

    def _repr_html_(self) -> str:
        html: str = import_module(DRAWN_BY).html_of(self)
        return html


def plural(noun: str, count: int) -> str:
    """Return a noun as it stands behind a count: input, or inputs."""
    return noun if count == 1 else f"{noun}s"


def facts_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name; nothing of anything else."""
    return {f.name: getattr(value, f.name) for f in fields(value) if f.repr} if is_dataclass(value) else {}


def brief(value: Any) -> str:
    """Return a value in a few letters: arrays as dtype and shape, long lists and tables as how much they hold.

    Other results are named and no more.
    """
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape:
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str | bytes):
        return _cut(repr(value[: MOST_LETTERS + 1]))
    if isinstance(value, Mapping):
        return _listed([f"{brief(key)}: {brief(value[key])}" for key in value], "{}") if _few(value) else _held(value)
    if isinstance(value, Sequence):
        return _listed([brief(one) for one in value], "[]") if _few(value) else _held(value)
    return f"{type(value).__name__}(...)" if is_dataclass(value) else _cut(str(value))


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | Sequence) and not value)


def _few(value: Mapping[Any, Any] | Sequence[Any]) -> bool:
    return len(value) <= MOST_ENTRIES


def _held(value: Mapping[Any, Any] | Sequence[Any]) -> str:
    return f"<{len(value)} entries>"


def _listed(parts: Sequence[str], ends: str) -> str:
    return ends[0] + ", ".join(parts) + ends[1]


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
