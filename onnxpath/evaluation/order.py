"""Positions in the order of a map, how many of them go, and areas under what comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from onnxpath.errors import InputError
from onnxpath.runtime.session import Array


def places(ranking: Array, most_first: bool) -> Array:
    """Return each position's place in the order, int64 [N, positions]; ties go in reading order.

    ranking: float [N, positions]; most_first: the highest goes first, else the lowest.
    """
    order = np.argsort(-ranking if most_first else ranking, axis=1, kind="stable")
    found = np.empty(order.shape, np.int64)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), 1)
    return found


def counts(percents: Sequence[float], positions: int) -> list[int]:
    """Return floor(q · positions / 100) for each percentage q; InputError unless all are within 0 to 100, ascending."""
    steps = [float(q) for q in percents]
    if not steps or min(steps) < 0 or max(steps) > 100 or steps != sorted(set(steps)):
        raise InputError(f"steps are percentages of the positions, ascending, from 0 to 100; not {list(percents)}")
    # A percentage such as 0.7 is not exact, and its product may fall short of a whole number.
    return [math.floor(q * positions / 100 + 1e-9) for q in steps]


def removed(percents: Sequence[float], positions: int) -> list[int]:
    """Return the counts of positions that are removed; InputError where each would be zero, so that nothing changes."""
    found = counts(percents, positions)
    if not any(found):
        raise InputError(
            f"{max(percents):g} % of {positions} positions is none, so that nothing would be removed; give larger "
            "steps (--metric-option steps=50,100)"
        )
    return found


def area(curve: Array, at: Sequence[float]) -> Array:
    """Return the area under each row's curve by the trapezoid rule, float64 [N]."""
    return np.asarray(np.trapezoid(curve, np.asarray(at, np.float64), axis=1))
