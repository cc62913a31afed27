"""The numbers of all inputs of a report that its overview is made of: a few bytes an input, however many there are."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxpath.report.data import Item


def correct(item: Item) -> bool | None:
    """Whether the first prediction is the label; None where one of them is not known."""
    if item.label is None or item.label.index is None or not item.predictions:
        return None
    return item.predictions[0].index == item.label.index


def _of_pathway(name: str) -> Callable[[Item], Any]:
    return lambda item: getattr(item.pathway, name) if item.pathway else None


COLUMNS: dict[str, Callable[[Item], float | None]] = {
    "correct": correct,
    "confidence": lambda item: item.predictions[0].softmax if item.predictions else None,
    **{name: _of_pathway(name) for name in ("kept", "density", "base_sparsity", "dead_fraction", "margin")},
}
"""Quantity -> its value for an input, None where it has none."""


class Figures:
    """One column of numbers for each of COLUMNS, NaN where an input has no value. items: those to begin with."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._columns = {name: array("d") for name in COLUMNS}
        self.count = 0
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """Take in the numbers of one more input."""
        self.count += 1
        for name, of in COLUMNS.items():
            value = of(item)
            self._columns[name].append(math.nan if value is None else value)

    def known(self, name: str) -> list[float]:
        """Return the values of a quantity, of the inputs that have one."""
        return [value for value in self._columns[name] if not math.isnan(value)]
