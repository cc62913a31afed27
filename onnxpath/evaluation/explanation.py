"""The maps of one method or baseline on a subject, how they rank positions, and how to make them again."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from onnxpath.attribution.attribute import attribute
from onnxpath.attribution.methods import METHODS
from onnxpath.errors import InputError, unknown
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array

Make: TypeAlias = Callable[[Subject], Array]
"""f(subject) -> maps [N, ...] like the input, or with one channel."""

REDUCED: dict[str, Callable[[Array], Array]] = {
    "signed": lambda planes: planes.max(1),
    "absolute": lambda planes: np.abs(planes).sum(1),
    "sum": lambda planes: planes.sum(1),
    "positive": lambda planes: np.maximum(planes.sum(1), 0),
    "largest": lambda planes: np.take_along_axis(planes, np.abs(planes).argmax(1)[:, None], 1)[:, 0],
}
"""How channels become one number for a position: the signed maximum (the papers' code), the sum of magnitudes, the
sum, its positive part, the entry of largest magnitude with its sign."""

RANKINGS = ("signed", "absolute")
"""Those by which positions are ranked; both are reported, since the choice alone can decide the order of methods."""


@dataclass(frozen=True)
class Explanation:
    """Maps of a subject by one method; label: as the user wrote it; baseline: it explains nothing."""

    label: str
    subject: Subject
    make: Make
    baseline: bool = False

    @cached_property
    def planes(self) -> Array:
        """The maps as float64 [N, channels or 1, positions]."""
        return self.planes_of(self.make(self.subject))

    def again(self, subject: Subject) -> Array:
        """Return the maps of a changed subject, [N, channels or 1, positions]."""
        return self.planes_of(self.make(subject))

    def planes_of(self, maps: Array) -> Array:
        """Bring maps like the input into planes; one channel may stand for all."""
        layout = self.subject.layout
        wide = np.ascontiguousarray(maps, np.float64)
        if wide.shape[1:] == layout.shape:
            return layout.planes(wide)
        if wide[:1].size % layout.positions:
            raise InputError(
                f"maps are {wide.shape[1:]} and rows {layout.shape}, so that they have no common positions"
            )
        return wide.reshape(len(wide), -1, layout.positions)

    def reduced(self, how: str) -> Array:
        """Return one number for each position, [N, positions]; how: a key of REDUCED."""
        return REDUCED[how](self.planes)


def by_method(label: str, subject: Subject) -> Explanation:
    """Return the explanation by a method; label: `name` or `name:option=value:...`. Raises as `parse_method`."""
    name, options = parse_method(label)

    def make(given: Subject) -> Array:
        result = attribute(given.model, given.feeds, _target(given), name, given.output, **options)
        if given.source not in result.maps:
            where = ", ".join(f"'{key}'" for key in result.maps)
            raise InputError(f"it maps {where}, and evaluation ranks positions of the input '{given.source}'")
        return np.asarray(result.maps[given.source])

    return Explanation(label, subject, make)


def parse_method(label: str) -> tuple[str, dict[str, Any]]:
    """Split `name:option=value:...` into name and options; values are Python literals, or text.

    Raises UnknownName, InputError.
    """
    name, *parts = label.split(":")
    options: dict[str, Any] = {}
    for part in parts:
        key, equals, text = part.partition("=")
        if not equals:
            raise InputError(f"method '{label}': write options as name:option=value, not '{part}'")
        options[key] = _value(text)
    method = METHODS.get(name)
    if not method.takes_any and (wrong := [key for key in options if key not in method.defaults]):
        raise unknown(f"option of method '{name}'", wrong, method.defaults)
    return name, options


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _target(subject: Subject) -> Any:
    return subject.target.values
