"""Blurring, edges and resizing of planes, in numpy."""

from __future__ import annotations

import numpy as np

from onnxpath.runtime.session import Array

TRUNCATE = 4.0


def gaussian(values: Array, deviation: float, axes: int = 2) -> Array:
    """Blur the last axes by a Gaussian cut off at four deviations, edges mirrored; float64 of the same shape."""
    radius = max(1, int(TRUNCATE * deviation + 0.5))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    result = np.asarray(values, np.float64)
    for axis in range(result.ndim - axes, result.ndim):
        result = _along(result, kernel / kernel.sum(), axis)
    return result


def _along(values: Array, kernel: Array, axis: int) -> Array:
    """Convolve along one axis as one matrix product."""
    size, radius = values.shape[axis], len(kernel) // 2
    matrix = np.zeros((size, size))
    places = np.arange(size)
    for offset, weight in zip(range(-radius, radius + 1), kernel, strict=True):
        # Mirrored with the edge repeated, over and over where the kernel is longer than the axis.
        source = (places + offset) % (2 * size)
        np.add.at(matrix, (np.where(source < size, source, 2 * size - 1 - source), places), weight)
    return np.moveaxis(np.moveaxis(values, axis, -1) @ matrix, -1, axis)


def sobel(values: Array) -> Array:
    """Return the gradient magnitude of planes [..., H, W] by the Sobel operator, edges repeated."""
    around = np.pad(np.asarray(values, np.float64), [(0, 0)] * (values.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows = around[..., :-2, :] + 2 * around[..., 1:-1, :] + around[..., 2:, :]
    columns = around[..., :-2] + 2 * around[..., 1:-1] + around[..., 2:]
    across = rows[..., 2:] - rows[..., :-2]
    down = columns[..., 2:, :] - columns[..., :-2, :]
    return np.asarray(np.hypot(across, down))


def resized(values: Array, spatial: tuple[int, ...]) -> Array:
    """Resize the last axes of float [n, ...] to `spatial`, linearly, with pixel centres aligned."""
    result = np.asarray(values, np.float64)
    for axis, size in enumerate(spatial, start=result.ndim - len(spatial)):
        old = result.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        below = np.minimum(at.astype(int), max(0, old - 2))
        part = (at - below).reshape(-1, *[1] * (result.ndim - 1 - axis))
        above = np.minimum(below + 1, old - 1)
        result = result.take(below, axis) * (1 - part) + result.take(above, axis) * part
    return result
