"""Baselines that are a sample of a distribution: rows like the input's, each of which serves every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onnxpath.attribution.by_source import by_source
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Distribution:
    """A sample of baselines.

    values: source -> [count, ...]; shapes: source -> shape of all rows that are explained; notes: what the user should
    know.
    """

    values: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    count: int
    notes: list[str] = field(default_factory=list)

    def row(self, index: int) -> dict[str, Array]:
        """Return one baseline, repeated for every row that is explained."""
        return {
            name: np.ascontiguousarray(np.broadcast_to(value[index], self.shapes[name]))
            for name, value in self.values.items()
        }

    def rows(self) -> Iterator[dict[str, Array]]:
        """Yield the baselines one after the other."""
        yield from map(self.row, range(self.count))


def distribution(model: Model, feeds: Mapping[str, Array], given: Any) -> Distribution:
    """Return baselines as a sample for every source; default one of zeros, which is noted.

    given: array [B, ...], a number, a tuple of those in the order of several sources, or a dict by name. Raises
    UnknownName; InputError where they do not fit, hold NaN or Inf, or have different numbers of rows.
    """
    names = model.sources
    values = {name: _sample(feeds[name], name, value) for name, value in by_source(names, given, 0).items()}
    sizes = {name: len(value) for name, value in values.items() if len(value) != 1}
    if len(set(sizes.values())) > 1:
        raise InputError(f"`baselines` have different numbers of rows: {sizes}")
    count = next(iter(sizes.values()), 1)
    whole = {name: np.broadcast_to(value, (count, *value.shape[1:])) for name, value in values.items()}
    notes = ["the only baseline is zero; give a sample of the data as `baselines`"] if given is None else []
    return Distribution(whole, {name: feeds[name].shape for name in names}, count, notes)


def _sample(x: Array, name: str, given: Any) -> Array:
    row = x.shape[1:]
    try:
        array = np.asarray(given, x.dtype)
        sample = np.broadcast_to(array, (1 if array.ndim <= len(row) else len(array), *row))
    except (ValueError, TypeError) as error:
        raise InputError(f"`baselines` of input '{name}' are rows [B, {', '.join(map(str, row))}]: {error}") from error
    if not len(sample) or not np.isfinite(sample).all():
        raise InputError(f"`baselines` of input '{name}' have no rows, or hold NaN or Inf")
    return sample
