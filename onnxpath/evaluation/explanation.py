"""The maps of one method or baseline on a subject, how they rank positions, and how to make them again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from onnxpath.attribution.attribute import attribute
from onnxpath.attribution.methods import METHODS
from onnxpath.errors import InputError
from onnxpath.evaluation.subject import Subject
from onnxpath.options import read_pairs, split_pair
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


OPTION = re.compile(r":(?=[\w-]+=)")
"""Before an option of a label, `name:option=value:...`; a value may hold `:` where no `name=` follows."""


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
        result = attribute(given.model, given.feeds, given.target.values, name, given.output, **options)
        if given.source not in result.maps:
            where = ", ".join(f"'{key}'" for key in result.maps)
            raise InputError(f"it maps {where}, and evaluation ranks positions of the input '{given.source}'")
        return np.asarray(result.maps[given.source])

    return Explanation(label, subject, make)


def parse_method(label: str) -> tuple[str, dict[str, Any]]:
    """Split `name:option=value:...` into name and options, which are read as NAME=VALUE is everywhere.

    Raises UnknownName, InputError.
    """
    name, *pairs = re.split(OPTION, label)
    if ":" in name:
        raise InputError(f"method '{label}': write options as name:option=value, not '{name.partition(':')[2]}'")
    method = METHODS.get(name)
    (options,) = read_pairs([method.options], pairs)
    return name, method.checked(options)


def with_options(labels: Sequence[str], pairs: Sequence[str]) -> list[str]:
    """Return labels of methods, each with those of the given NAME=VALUE behind it that it has and does not set itself.

    One of the methods has to have each. Raises UnknownName, InputError, all problems with the pairs at once.
    """
    if not pairs:
        return list(labels)
    split = [re.split(OPTION, label) for label in labels]
    given = read_pairs([METHODS.get(name).options for name, *_ in split], pairs)
    texts = dict(map(split_pair, pairs))
    own = [dict(map(split_pair, parts)) for _, *parts in split]
    return [
        label + "".join(f":{name}={texts[name]}" for name in values if name not in mine)
        for label, values, mine in zip(labels, given, own, strict=True)
    ]
