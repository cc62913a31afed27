"""How alike two arrays are: cosine, rank correlation, relative difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.evaluation.similarity import ranks

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Of two maps as vectors: cosine of the angle, and Spearman's rank correlation of the signed values.

    None where undefined: a map that is zero everywhere (cosine), or that has one value everywhere (Spearman).
    """

    cosine: float | None
    spearman: float | None


def likeness(one: NDArray[Any], other: NDArray[Any]) -> Likeness:
    """Compare two maps of one size."""
    a, b = np.ravel(one).astype(np.float64), np.ravel(other).astype(np.float64)
    return Likeness(_cosine(a, b), _correlation(ranks(a), ranks(b)))


def relative_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return |a - b| / max(|a|, |b|) in L2: 0 where they are equal, 2 at most."""
    a, b = np.ravel(one).astype(np.float64), np.ravel(other).astype(np.float64)
    largest = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / largest) if largest else 0.0


def _cosine(a: Floats, b: Floats) -> float | None:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else None


def _correlation(a: Floats, b: Floats) -> float | None:
    return _cosine(a - a.mean(), b - b.mean()) if a.size else None
