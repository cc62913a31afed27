"""Linear imputation: missing pixels as the weighted mean of their neighbours, by conjugate gradients."""

from __future__ import annotations

import numpy as np

from onnxpath.runtime.session import Array

WEIGHTS = {(0, 1): 1 / 6, (1, 0): 1 / 6, (1, 1): 1 / 12, (1, -1): 1 / 12}
"""Of direct and of diagonal neighbours (Rong et al., 2022), each offset standing for its opposite too."""

TOLERANCE, MOST_STEPS = 1e-4, 500


def impute(planes: Array, gone: Array, spatial: tuple[int, ...]) -> Array:
    """Return planes [C, positions] with the missing positions filled, float64; gone: bool [positions].

    Every missing pixel is the weighted mean of its eight neighbours; at the border of those that exist. Where nothing
    is left of a channel, its mean. Solved to a relative residual of 1e-4.
    """
    missing = gone.reshape(spatial)
    known = planes.reshape(-1, *spatial).astype(np.float64)
    if not missing.any() or missing.all():
        return np.where(gone, planes.mean(1, keepdims=True, dtype=np.float64), planes)
    total = _neighbours(np.ones((1, *spatial)))
    right = np.where(missing, _neighbours(np.where(missing, 0, known)), 0)
    found = np.where(missing, known[:, ~missing].mean(1)[:, None, None], 0)
    residual = right - _apply(found, missing, total)
    direction, size = residual, _dot(residual, residual)
    enough = TOLERANCE**2 * np.maximum(_dot(right, right), 1e-30)
    for _ in range(MOST_STEPS):
        if (size <= enough).all():
            break
        pushed = _apply(direction, missing, total)
        step = size / np.maximum(_dot(direction, pushed), 1e-300)
        found, residual = found + step * direction, residual - step * pushed
        before, size = size, _dot(residual, residual)
        direction = residual + size / np.maximum(before, 1e-300) * direction
    return np.asarray(np.where(missing, found, known).reshape(planes.shape))


def _apply(values: Array, missing: Array, total: Array) -> Array:
    """The graph Laplacian among missing pixels."""
    return np.where(missing, total * values - _neighbours(values), 0)


def _neighbours(values: Array) -> Array:
    """Weighted sum of the neighbours of each pixel, of those that exist; [C, H, W]."""
    _, height, width = values.shape
    around = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros_like(values)
    for (dy, dx), weight in WEIGHTS.items():
        for y, x in ((1 + dy, 1 + dx), (1 - dy, 1 - dx)):
            result += weight * around[:, y : y + height, x : x + width]
    return result


def _dot(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum((1, 2), keepdims=True))
