"""The numbers of one input that the overview counts, the gallery sorts by, and inputs stand out by."""

from __future__ import annotations

from collections.abc import Callable
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


QUANTITIES: dict[str, Callable[[Item], float | None]] = {
    "confidence": lambda item: item.predictions[0].softmax if item.predictions else None,
    **{name: _of_pathway(name) for name in ("kept", "density", "base_sparsity", "dead_fraction", "margin")},
}
"""Quantity -> its value for an input, None where it has none."""
