"""How alike two maps are: rank correlation, structural similarity, correlation of oriented gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnxpath.runtime.session import Array

WINDOW = 5
ORIENTATIONS, CELL, CLIP = 9, 16, 0.2


def ranks(values: Array) -> Array:
    """Return the rank of each entry of a vector, ties sharing their mean rank; float64."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    last = np.append(first[1:], len(values))
    shared = np.repeat((first + last - 1) / 2, last - first)
    found = np.empty(len(values))
    found[order] = shared
    return found


def pearson(a: Array, b: Array) -> float:
    """Return the linear correlation of two vectors; where one is constant 1 if they are equal, else 0."""
    da, db = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(da) * np.linalg.norm(db))
    return float(da @ db) / size if size > 0 else float(np.array_equal(a, b))


def spearman(a: Array, b: Array) -> float:
    """Return the rank correlation of two arrays, signs kept; constants as in `pearson`."""
    return pearson(ranks(a.ravel()), ranks(b.ravel()))


def spearman_absolute(a: Array, b: Array) -> float:
    """Return the rank correlation of magnitudes."""
    return spearman(np.abs(a), np.abs(b))


def ssim(a: Array, b: Array) -> float:
    """Return the mean structural similarity of two maps [H, W] in [-1, 1] (Wang et al., 2004): window 5, uniform.

    The constants are those of the paper at a data range of 2, covariances are unbiased, and windows lie inside the map.
    """
    count = WINDOW**2
    ma, mb, saa, sbb, sab = (_windows(v) / count for v in (a, b, a * a, b * b, a * b))
    unbiased = count / (count - 1)
    va, vb, cov = unbiased * (saa - ma * ma), unbiased * (sbb - mb * mb), unbiased * (sab - ma * mb)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    value = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(value.mean())


def _windows(values: Array) -> Array:
    """Sums over all windows that lie inside [H, W]."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    return np.asarray(
        sums[WINDOW:, WINDOW:] - sums[:-WINDOW, WINDOW:] - sums[WINDOW:, :-WINDOW] + sums[:-WINDOW, :-WINDOW]
    )


def hog(values: Array) -> Array:
    """Return histograms of oriented gradients of [H, W] (Dalal and Triggs, 2005), flat float64.

    9 orientations without sign, cells of 16 pixels, or of half the shorter side where that is less, each normalised
    by itself (L2, clipped at 0.2, L2 again).
    """
    down, across = np.zeros_like(values, np.float64), np.zeros_like(values, np.float64)
    down[1:-1] = values[2:] - values[:-2]
    across[:, 1:-1] = values[:, 2:] - values[:, :-2]
    size = np.hypot(down, across)
    angle = np.rad2deg(np.arctan2(down, across)) % 180
    side = max(1, min(CELL, min(values.shape) // 2))
    rows, columns = (n // side for n in values.shape)
    cut = slice(0, rows * side), slice(0, columns * side)
    bins = np.minimum((angle[cut] * ORIENTATIONS / 180).astype(int), ORIENTATIONS - 1)
    ys, xs = np.indices(bins.shape) // side
    place = (ys * columns + xs) * ORIENTATIONS + bins
    cells = np.bincount(place.ravel(), size[cut].ravel(), rows * columns * ORIENTATIONS) / side**2
    table = _unit(cells.reshape(-1, ORIENTATIONS))
    return _unit(np.minimum(table, CLIP)).ravel()


def _unit(rows: Array) -> Array:
    return np.asarray(rows / np.sqrt((rows**2).sum(1, keepdims=True) + 1e-10))


def hog_correlation(a: Array, b: Array) -> float:
    """Return the linear correlation of the histograms of oriented gradients of two maps [H, W]."""
    return pearson(hog(a), hog(b))


SIMILARITIES: dict[str, Callable[[Array, Array], float]] = {
    "spearman": spearman,
    "spearman-absolute": spearman_absolute,
    "ssim": ssim,
    "hog": hog_correlation,
}
PICTURES = ("ssim", "hog")
"""Those that need maps with height and width."""


def similarities(a: Array, b: Array, spatial: tuple[int, ...]) -> dict[str, float]:
    """Return every similarity that fits of two maps [positions], each divided by its largest magnitude."""
    a, b = (_scaled(v).reshape(spatial) for v in (a, b))
    wide = len(spatial) == 2 and min(spatial) >= WINDOW
    return {name: f(a, b) for name, f in SIMILARITIES.items() if wide or name not in PICTURES}


def _scaled(values: Array) -> Array:
    largest = np.abs(values).max()
    return values / largest if largest else values
