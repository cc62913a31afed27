"""Gaussian noise on the sources, the same for every row, so that a row's map does not depend on its batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.by_source import by_source
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array

SPREAD = 0.15
"""Of the noise where none is asked for, in units of a row's range: the paper of SmoothGrad recommends 0.1 to 0.2."""


def deviations(model: Model, feeds: Mapping[str, Array], given: Any) -> dict[str, Array]:
    """Return the standard deviation of each source's noise, float64, one number or one per row.

    given: a number, a tuple in the order of several sources, or a dict by name (others get none); None: SPREAD times
    the range of each row. Raises UnknownName, InputError.
    """
    if given is None:
        return {name: _range(feeds[name]) * SPREAD for name in model.sources}
    by_name = by_source(model.sources, given, 0.0)
    bad = {k: v for k, v in by_name.items() if np.ndim(v) or isinstance(v, str) or not 0 <= v < np.inf}
    if bad:
        raise InputError(f"`stdevs` are numbers of at least 0, not {bad}")
    return {name: np.asarray(value, np.float64) for name, value in by_name.items()}


def _range(x: Array) -> Array:
    axes = tuple(range(1, x.ndim))
    wide = x.astype(np.float64)
    spread: Array = wide.max(axes, keepdims=True) - wide.min(axes, keepdims=True)
    return spread


def noisy(rng: np.random.Generator, feeds: Mapping[str, Array], stdevs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the sources plus one draw, in their dtypes; sources are drawn in their order."""
    return {
        name: (feeds[name] + stdev * rng.standard_normal(feeds[name].shape[1:])).astype(feeds[name].dtype)
        for name, stdev in stdevs.items()
    }


def samples(count: int) -> range:
    """Return the numbers of the samples; InputError unless there is one at least."""
    if count < 1:
        raise InputError(f"n_samples must be at least 1; {count} was given")
    return range(count)
