"""The inputs of a run that are worth a look: a few of each kind, found while all go by."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnxpath.report.quantities import QUANTITIES, correct, moved

if TYPE_CHECKING:
    from onnxpath.report.data import Item
    from onnxpath.report.spread import Spread

MOST = 6
"""Inputs of each kind."""

FAR = 2.0
"""Standard deviations from the mean at which a density is out of the ordinary."""


@dataclass(frozen=True)
class Strange:
    """An input: its place in the run, its name, the value that it stands out by, what was predicted, and its label."""

    index: int
    name: str
    value: float
    predicted: str
    label: str | None


@dataclass(frozen=True)
class Kind:
    """What inputs stand out by. title: a heading; of: the value, None where an input is not of the kind.

    largest: whether large values are the strange ones; format: filter of the templates; far: named quantity whose
    ordinary values are left out.
    """

    title: str
    quantity: str
    of: Callable[[Item, float | None], float | None]
    largest: bool
    format: str = "pct"
    far: str = ""


def _wrong(item: Item, seconds: float | None) -> float | None:
    return QUANTITIES["confidence"](item) if correct(item) is False else None


def _kept_margin(item: Item, seconds: float | None) -> float | None:
    return item.pathway.margin if item.pathway and item.pathway.kept else None


def _density(item: Item, seconds: float | None) -> float | None:
    return QUANTITIES["density"](item)


def _changed(item: Item, seconds: float | None) -> float | None:
    return item.pathway.softmax if item.pathway and item.pathway.kept is False else None


KINDS: dict[str, Kind] = {
    "sure-wrong": Kind("Surest mistakes", "confidence", _wrong, True),
    "unsure-wrong": Kind("Most hesitant mistakes", "confidence", _wrong, False),
    "unsure": Kind("Least confident", "confidence", lambda item, _: QUANTITIES["confidence"](item), False),
    "changed": Kind("Prediction changed by the pathway", "softmax of the target in the whole network", _changed, True),
    "margin": Kind("Barely kept by the pathway", "margin with the pathway alone", _kept_margin, False, "num"),
    "moved": Kind("Moved most by the pathway", "change of the output", lambda item, _: moved(item), True, "num"),
    "dense": Kind("Densest pathways", "density", _density, True, far="density"),
    "sparse": Kind("Sparsest pathways", "density", _density, False, far="density"),
    "slow": Kind("Slowest", "time", lambda _, seconds: seconds, True, "ms"),
}
"""Kind -> what it is; the overview shows those that inputs were found of, in this order."""


class Strangest:
    """The first MOST inputs of each kind of KINDS; of equal ones those that come first in the run."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[float, int, Strange]]] = {name: [] for name in KINDS}

    def add(self, item: Item, index: int, seconds: float | None) -> None:
        """Look at one more input."""
        for name, kind in KINDS.items():
            value = kind.of(item, seconds)
            if value is None:
                continue
            held, order = self._found[name], -value if kind.largest else value
            if len(held) < MOST or (order, index) < held[-1][:2]:
                insort(held, (order, index, _strange(item, index, value)), key=lambda entry: entry[:2])
                del held[MOST:]

    def found(self, spreads: dict[str, Spread]) -> dict[str, list[Strange]]:
        """Return kind -> inputs, strangest first, without kinds that no input is of. spreads: of all inputs."""
        made = {}
        for name, held in self._found.items():
            entries, far = [entry for _, _, entry in held], KINDS[name].far
            if entries and far:
                entries = [e for e in entries if _is_far(e.value, spreads[far], KINDS[name].largest)]
            if entries:
                made[name] = entries
        return made


def _is_far(value: float, around: Spread, above: bool) -> bool:
    """Whether a value lies out of the ordinary, above or below: a hundredth of the mean at least."""
    mean = around.mean or 0.0
    distance = (value - mean) * (1 if above else -1)
    return distance > FAR * around.deviation and distance > 0.01 * abs(mean)


def _strange(item: Item, index: int, value: float) -> Strange:
    predicted = item.predictions[0].name if item.predictions else ""
    return Strange(index, item.name, float(value), predicted, item.label.name if item.label else None)
