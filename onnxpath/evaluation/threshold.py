"""Turning maps into regions: thresholds, and the largest connected part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnxpath.runtime.session import Array

BINS = 256


def otsu(values: Array) -> float:
    """Return the threshold that separates values into two classes best (Otsu, 1979), over 256 bins."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low
    counts, edges = np.histogram(values, BINS, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / np.maximum(below, 1)
    mean_above = np.cumsum((counts * centres)[::-1])[::-1] / np.maximum(above, 1)
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[int(between.argmax())])


THRESHOLDS: dict[str, Callable[[Array], float]] = {
    "zero": lambda values: 0.0,
    "mean": lambda values: float(values.mean()),
    "otsu": otsu,
}
"""Positions above the threshold belong to the object."""


def largest_component(mask: Array) -> Array:
    """Return the largest part of a mask [H, W], connected over edges and corners; the first of several equal ones."""
    if not mask.any():
        return mask
    labels = _components(mask)
    sizes = np.bincount(labels[mask])
    return np.asarray(mask & (labels == sizes.argmax()))


def _components(mask: Array) -> Array:
    """Label each position by the first one of its part; every round takes the least label around, then follows it."""
    height, width = mask.shape
    nowhere = mask.size
    labels = np.where(mask, np.arange(mask.size).reshape(mask.shape), nowhere)
    while True:
        around = np.pad(labels, 1, constant_values=nowhere)
        least = labels
        for y in range(3):
            for x in range(3):
                least = np.minimum(least, around[y : y + height, x : x + width])
        least = np.where(mask, least, nowhere)
        # Hang each old label under the least one seen beside it, then let every position follow its chain.
        parent = np.arange(nowhere + 1)
        np.minimum.at(parent, labels[mask], least[mask])
        while not np.array_equal(parent[parent], parent):
            parent = parent[parent]
        new = np.where(mask, parent[least], nowhere)
        if np.array_equal(new, labels):
            return labels
        labels = new
