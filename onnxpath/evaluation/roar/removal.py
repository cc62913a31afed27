"""Rows without some of their positions."""

from __future__ import annotations

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.order import counts, places
from onnxpath.runtime.session import Array

REMOVED = {"roar": True, "kar": False}
"""Which end of the ranking goes: remove and retrain takes the highest, keep and retrain the lowest positions."""


def means(x: Array, layout: Layout) -> Array:
    """Return each channel's mean over rows and positions, [channels]."""
    return np.asarray(layout.planes(x).mean((0, 2), dtype=np.float64).astype(x.dtype))


def removed(x: Array, ranking: Array, percent: float, kind: str, values: Array, layout: Layout) -> Array:
    """Return rows [N, ...] with floor(percent · positions / 100) positions of each set to `values` [channels].

    ranking: float [N, positions]; ties go in reading order; kind: a key of REMOVED; all channels of a position go
    together. Raises InputError where the ranking does not fit the rows, and for percentages outside 0 to 100.
    """
    if ranking.shape != (len(x), layout.positions):
        raise InputError(f"{len(x)} rows of {layout.positions} positions cannot be ranked by {ranking.shape}")
    (count,) = counts([percent], layout.positions)
    gone = places(ranking, REMOVED[kind]) < count
    planes = np.where(gone[:, None], values[:, None], layout.planes(x))
    return np.ascontiguousarray(layout.rows(planes), x.dtype)
