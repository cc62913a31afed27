"""Confidence intervals by resampling rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnxpath.runtime.session import Array

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over rows with the ends of its 95 % interval; rows: how many had a value."""

    mean: float
    low: float
    high: float
    rows: int


def interval(values: Array, samples: int, seed: int) -> Interval:
    """Return the mean of the finite values and its percentile bootstrap interval; NaN without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    _, low, high = band(known[:, None], samples, seed)
    return Interval(float(known.mean()), float(low[0]), float(high[0]), len(known))


def paired(a: Array, b: Array, samples: int, seed: int) -> Interval:
    """Return the interval of the mean of a − b over rows where both are finite: the same rows are drawn for both."""
    return interval(a - b, samples, seed)


def band(curves: Array, samples: int, seed: int) -> tuple[Array, Array, Array]:
    """Return mean, low and high end of curves [N, S] at each place."""
    means = _means(curves, samples, seed)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return curves.mean(0), low, high


def _means(values: Array, samples: int, seed: int) -> Array:
    """Means of resampled rows, [samples, S]."""
    rng = np.random.default_rng([seed, len(values)])
    # How often each row is drawn, so that curves of many places need no copies.
    drawn = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), samples)
    return np.asarray(drawn @ values / len(values))
