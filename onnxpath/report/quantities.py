"""The numbers of one input that the overview counts, the gallery sorts by, and inputs stand out by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxpath.report.data import Item


def correct(item: Item) -> bool | None:
    """Whether the first prediction is the label; None where one is unknown, or there is nothing to choose from."""
    if item.label is None or item.label.index is None or len(item.predictions) < 2:
        return None
    return item.predictions[0].index == item.label.index


def outputs(item: Item) -> tuple[float, float] | None:
    """The output of the whole network and of the pathway alone, where it has one entry, so that no class can change."""
    return (item.pathway.logit, item.pathway.masked_logit) if item.pathway and item.pathway.kept is None else None


def moved(item: Item) -> float | None:
    """How far the output moves with the pathway alone, where it has one entry."""
    return abs(found[1] - found[0]) if (found := outputs(item)) else None


def _of_pathway(name: str) -> Callable[[Item], Any]:
    return lambda item: getattr(item.pathway, name) if item.pathway else None


QUANTITIES: dict[str, Callable[[Item], float | None]] = {
    "confidence": lambda item: item.predictions[0].softmax if item.predictions else None,
    **{name: _of_pathway(name) for name in ("kept", "density", "base_sparsity", "dead_fraction", "margin")},
    "output": lambda item: found[0] if (found := outputs(item)) else None,
    "output_alone": lambda item: found[1] if (found := outputs(item)) else None,
    "output_size": lambda item: abs(found[0]) if (found := outputs(item)) else None,
    "moved": moved,
}
"""Quantity -> its value for an input, None where it has none."""
