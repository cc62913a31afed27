"""The numbers of all inputs of a report that its overview is made of, in memory that does not grow with the inputs.

Everything is counted as inputs go by: how quantities spread, which classes are confused, a few inputs of each strange
kind. What grows is a count for each pair of classes that is confused, and a few file names for each class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from onnxpath.report.confusion import Calibration, Confusion
from onnxpath.report.quantities import QUANTITIES, correct
from onnxpath.report.spread import Spread
from onnxpath.report.strange import Strangest

if TYPE_CHECKING:
    from onnxpath.report.data import Item

MOST_EXAMPLES = 8
"""Inputs of each class whose raw arrays are remembered, for what is compared between classes."""


class Figures:
    """What is known about all inputs together. items: those to begin with."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.count = 0
        self.spreads = {name: Spread() for name in QUANTITIES}
        self.confusion = Confusion()
        self.calibration = Calibration()
        self.strangest = Strangest()
        self.explained: Counter[int] = Counter()
        self.examples: dict[int, list[str]] = {}
        self.names: dict[int, str] = {}
        for item in items:
            self.add(item)

    def add(self, item: Item, index: int | None = None, seconds: float | None = None) -> None:
        """Take in the numbers of one more input.

        index: its place in the run, default the item's number, or how many came before; seconds: spent on it, default
        what the item says.
        """
        number = item.number if index is None else index
        place, self.count = self.count if number is None else number, self.count + 1
        for name, of in QUANTITIES.items():
            if (value := of(item)) is not None:
                self.spreads[name].add(value)
        if (right := correct(item)) is not None and item.label is not None and item.label.index is not None:
            first = item.predictions[0]
            self.confusion.add(item.label.index, item.label.name, first.index, first.name)
            if first.softmax is not None:
                self.calibration.add(first.softmax, right)
        self.strangest.add(item, place, item.seconds if seconds is None else seconds)
        if item.pathway and item.target is not None and item.target.index is not None:
            self._remember(item.target.index, item.target.name, item.arrays)

    def _remember(self, target: int, name: str, arrays: str | None) -> None:
        self.explained[target] += 1
        self.names.setdefault(target, name)
        examples = self.examples.setdefault(target, [])
        if arrays is not None and len(examples) < MOST_EXAMPLES:
            examples.append(arrays)
