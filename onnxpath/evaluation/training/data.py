"""Labelled rows: divided, shuffled, augmented, always by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.layout import Layout
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Examples:
    """Rows of input as the model wants them, float32 [N, ...], with a class each, int64 [N]."""

    x: Array
    labels: Array

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.x),) or self.labels.dtype.kind not in "iu":
            raise InputError(
                f"{len(self.x)} rows need one class each as integers; "
                f"labels of shape {self.labels.shape} and dtype {self.labels.dtype} were given"
            )
        if not len(self.x) or self.labels.min() < 0:
            raise InputError("examples need at least one row, and classes count from 0")
        object.__setattr__(self, "x", np.ascontiguousarray(self.x, np.float32))
        object.__setattr__(self, "labels", self.labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array) -> Examples:
        """Return some of the rows, int [n]."""
        return Examples(self.x[rows], self.labels[rows])

    def with_x(self, x: Array) -> Examples:
        """Return other rows of the same classes."""
        return Examples(x, self.labels)


def divided(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Split off a share of each class, at least one row of it; return (the rest, the share)."""
    rng = np.random.default_rng([seed, 8])
    away = []
    for label in np.unique(examples.labels):
        rows = rng.permutation(np.flatnonzero(examples.labels == label))
        away.append(rows[: max(1, round(share * len(rows)))])
    chosen = np.zeros(len(examples), bool)
    chosen[np.concatenate(away)] = True
    if chosen.all():
        raise InputError("no row is left to train on beside those for validation; give more rows, or validation 0")
    return examples.take(np.flatnonzero(~chosen)), examples.take(np.flatnonzero(chosen))


@dataclass(frozen=True)
class Augmentation:
    """Random crops and flips. crop: pixels of padding on each side before the crop; flip: left to right, by a coin."""

    crop: int = 0
    flip: bool = False

    def check(self, layout: Layout) -> None:
        """Raise InputError where there is nothing to crop or flip."""
        if self.crop < 0:
            raise InputError(f"crop counts pixels of padding, at least 0, not {self.crop}")
        if (self.crop or self.flip) and not layout.is_picture:
            raise InputError(f"crop and flip need rows with height and width, not {layout.shape}")

    def apply(self, x: Array, layout: Layout, edge: Array, rng: np.random.Generator) -> Array:
        """Return augmented rows; edge: float [channels], what stands outside the picture."""
        if not (self.crop or self.flip):
            return x
        count, (height, width), c = len(x), layout.spatial, self.crop
        planes = layout.planes(x).reshape(count, -1, height, width)
        padded = np.empty((count, planes.shape[1], height + 2 * c, width + 2 * c), x.dtype)
        padded[:] = edge[:, None, None]
        padded[:, :, c : c + height, c : c + width] = planes
        down, across, coin = (rng.integers(0, n, count) for n in (2 * c + 1, 2 * c + 1, 2))
        ys = down[:, None] + np.arange(height)
        xs = across[:, None] + np.arange(width)
        if self.flip:
            xs = np.where(coin[:, None] == 1, xs[:, ::-1], xs)
        # Indices on both sides of a slice put the channels last.
        picked = padded[np.arange(count)[:, None, None], :, ys[:, :, None], xs[:, None, :]]
        return np.ascontiguousarray(layout.rows(picked.reshape(count, height * width, -1).swapaxes(1, 2)))


def batches(
    examples: Examples, size: int, augmentation: Augmentation, layout: Layout, edge: Array, rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """Yield (x, labels) of one epoch: every row once, order and crops drawn, the last batch as short as it comes."""
    order = rng.permutation(len(examples))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield augmentation.apply(examples.x[rows], layout, edge, rng), examples.labels[rows]
