"""RISE: randomised input sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.perturb import Probe, black_box
from onnxpath.attribution.registry import Maps
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target

CHANNELS = 4
"""A last axis of at most this size, behind a longer first one, holds channels."""


@black_box("rise")
def rise(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    n_masks: int = 4000,
    cells: Any = 7,
    p: float = 0.5,
    seed: int = 0,
    channel_axis: int | None = None,
    centred: bool = True,
) -> Maps:
    """Return Σ (F(x · m) − mean F) m / (n p) over random soft masks m (Petsiuk et al., 2018, centred).

    n_masks: n, the same masks for all rows; cells: of a mask's grid, one number or one per masked axis; p: chance of a
    cell to be kept; seed: of the draw; channel_axis: of the input with its batch, along which masks are equal: default
    the last one of embeddings and of pictures with channels last, none of vectors, else 1; of size 1 in the map.
    centred: False is the paper's map, without the mean: all of one sign, it mostly shows how often a place was kept. F
    is the target's logit, where the paper has its probability. Of several inputs each has masks of its own. Only runs
    the model.
    Raises InputError, ModelError (no float input, embedding or cast).
    """
    if n_masks < 1 or not 0 < p < 1 or np.min(cells) < 1:
        raise InputError(f"rise wants n_masks and cells of at least 1, and p between 0 and 1, not {n_masks, cells, p}")
    probe = Probe.of("rise", model, feeds, target, floats=True)
    rng = np.random.default_rng(seed)
    masks = {}
    for name in probe.names:
        shape = probe.feeds[name].shape[1:]
        axis = _channel_axis(shape, name in feeds, channel_axis)
        masks[name] = Masks.draw(rng, shape, axis, n_masks, cells, p)
    kept = {name: np.zeros(m.soft(0).shape) for name, m in masks.items()}
    total = {name: np.zeros((len(probe.scores), *sums.shape)) for name, sums in kept.items()}
    means = np.zeros(len(probe.scores))
    drawn: dict[str, Array] = {}

    def masked(name: str, ks: Array, rows: Array, x: Array) -> Array:
        first = int(ks[0])
        drawn[name] = np.stack([masks[name].soft(k) for k in range(first, int(ks[-1]) + 1)])[ks - first]
        return x * drawn[name]

    for _, rows, scores in probe.ask(n_masks, masked):
        np.add.at(means, rows, scores / n_masks)
        for name, soft in drawn.items():
            np.add.at(total[name], rows, scores.reshape(-1, *[1] * (soft.ndim - 1)) * soft)
            kept[name] += soft[rows == 0].sum(0)
    if centred:
        for name, sums in total.items():
            sums -= means.reshape(-1, *[1] * (sums.ndim - 1)) * kept[name]
    axes = {name: [a for a, size in enumerate(m.sizes, 1) if size is not None] for name, m in masks.items()}
    told = "; ".join(f"'{name}' along axes {found}" for name, found in axes.items())
    return probe.result({name: t / (n_masks * p) for name, t in total.items()}, f"masked: {told}")


@dataclass(frozen=True)
class Masks:
    """Random soft masks on a row: grids of cells, enlarged, and cut out at a random shift of less than a cell.

    sizes: of the row's axes, None where masks are equal along it; kept: bool [n, *cells of the masked axes];
    shifts: int64 [n, masked axes].
    """

    sizes: tuple[int | None, ...]
    kept: Array
    shifts: Array

    @classmethod
    def draw(
        cls, rng: np.random.Generator, shape: tuple[int, ...], axis: int | None, n: int, cells: Any, p: float
    ) -> Masks:
        """Draw n masks for rows of a shape; axis: of channels, None for none. Raises InputError."""
        sizes = tuple(None if i == axis else size for i, size in enumerate(shape))
        masked = [size for size in sizes if size is not None]
        counts = np.atleast_1d(cells).tolist()
        counts = counts * len(masked) if len(counts) == 1 else counts
        if len(counts) != len(masked):
            raise InputError(f"{len(counts)} numbers of cells were given for {len(masked)} masked axes {tuple(masked)}")
        counts = [min(int(count), size) for count, size in zip(counts, masked, strict=True)]
        kept = rng.random((n, *counts)) < p
        edges = [math.ceil(size / count) for size, count in zip(masked, counts, strict=True)]
        return cls(sizes, kept, rng.integers(0, edges, (n, len(masked))))

    def soft(self, k: int) -> Array:
        """Return mask k, float64, of the rank of the row, with size 1 along channels."""
        mask = self.kept[k].astype(np.float64)
        masked = [size for size in self.sizes if size is not None]
        for axis, (size, shift) in enumerate(zip(masked, self.shifts[k], strict=True)):
            weights = enlarged(mask.shape[axis], size)[shift : shift + size]
            mask = np.moveaxis(np.tensordot(weights, mask, (1, axis)), 0, axis)
        equal = tuple(axis for axis, size in enumerate(self.sizes) if size is None)
        return np.asarray(np.expand_dims(mask, equal))


def enlarged(cells: int, size: int) -> Array:
    """Return the matrix [(cells + 1) · edge, cells] of linear interpolation, edge = ⌈size / cells⌉.

    Centres of values are at halves; beyond the outermost ones values are mirrored, as in the authors' code.
    """
    long = (cells + 1) * math.ceil(size / cells)
    at = np.abs((np.arange(long) + 0.5) * cells / long - 0.5)
    at = np.where(at > cells - 1, 2 * (cells - 1) - at, at) if cells > 1 else np.zeros(long)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells))))


def _channel_axis(shape: tuple[int, ...], is_input: bool, given: int | None) -> int | None:
    """Return the axis of a row that holds its channels, None for a vector."""
    if given is not None:
        if not (1 <= given <= len(shape) or -len(shape) <= given < 0):
            raise InputError(f"channel_axis {given} is no axis of rows {shape}, counted with the batch axis as 0")
        return given - 1 if given > 0 else given + len(shape)
    if len(shape) == 1:
        return None
    last = not is_input or (len(shape) == 3 and shape[-1] <= CHANNELS < shape[0])
    return len(shape) - 1 if last else 0
