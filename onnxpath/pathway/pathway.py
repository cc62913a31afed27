"""Pathway: which neurons carry one prediction, and what the network says with only those."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.errors import InputError, ShapeError
from onnxpath.files import save_npz
from onnxpath.runtime.session import Array
from onnxpath.shown import Shown
from onnxpath.typed import parse, read_as

FORMAT = 2


@dataclass(frozen=True)
class LayerCount:
    """One layer of a pathway: its neurons, and how many of them are kept, active, and dead: kept though inactive.

    active, dead: None where "inactive" is undefined; dead: also in files written before it was counted. channels: the
    three at most whose kept neurons have the largest scores in sum, largest first, counted from 0, a dense layer's
    neurons each being one; shares: of the layer's sum, to 4 digits. Both empty where nothing with a score is kept.
    """

    name: str
    neurons: int
    kept: int
    active: int | None
    dead: int | None = None
    channels: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Stored:
    """A mask in a file: its layer and shape; its bits follow those of the mask before it."""

    layer: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Readings:
    """What a network says about one row: the largest entry, and logit, softmax and margin of the target.

    softmax and margin (target's logit minus the largest other) are None where the output has one entry or a cotangent
    was given. entries: of the row, None in files written before they were counted.
    """

    prediction: int
    logit: float
    softmax: float | None
    margin: float | None
    entries: int | None = None


@dataclass(frozen=True, repr=False)
class Pathway(Shown):
    """A sparse set of neurons for one row, and what the masked network answers.

    masks: layer -> bool array of the layer's shape; sparsity: asked for, or found by a rule (which is then in the
    options), None of a selector that takes none; target: the explained entry, -1 under a cotangent; original, masked:
    readings of both networks; layers: counts; base_sparsity: fraction of inactive neurons, dead_fraction: fraction of
    the kept ones that are inactive, both over the layers where "inactive" is defined (the ReLU family) and None where
    there are none; seed: of a selector that draws.
    """

    masks: Mapping[str, Array]
    selector: str
    scope: str
    sparsity: float | None
    target: int
    original: Readings
    masked: Readings
    layers: tuple[LayerCount, ...]
    base_sparsity: float | None
    dead_fraction: float | None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def density(self) -> float:
        """Fraction of neurons kept, pooled over all layers."""
        return sum(c.kept for c in self.layers) / max(1, sum(c.neurons for c in self.layers))

    @property
    def kept_prediction(self) -> bool | None:
        """Whether the masked network's largest entry is the original's; None where a row is one entry: see `change`."""
        if self.original.margin is None and self.original.entries in (None, 1):
            return None
        return self.original.prediction == self.masked.prediction

    @property
    def change(self) -> float | None:
        """Change of the explained output without the other neurons, relative to its size; None where it is 0."""
        return relative_change(self.original.logit, self.masked.logit)

    @property
    def margin(self) -> float | None:
        """The masked network's margin of the target."""
        return self.masked.margin

    def union(self, other: Pathway) -> dict[str, Array]:
        """Return layer -> neurons in either pathway."""
        return {name: mask | self._same(other, name) for name, mask in self.masks.items()}

    def intersection(self, other: Pathway) -> dict[str, Array]:
        """Return layer -> neurons in both pathways."""
        return {name: mask & self._same(other, name) for name, mask in self.masks.items()}

    def jaccard(self, other: Pathway) -> float:
        """Return intersection over union, pooled over all layers; 1.0 for two empty pathways."""
        both = sum(int(m.sum()) for m in self.intersection(other).values())
        either = sum(int(m.sum()) for m in self.union(other).values())
        return both / either if either else 1.0

    def _same(self, other: Pathway, name: str) -> Array:
        mask = other.masks.get(name)
        if mask is None or mask.shape != self.masks[name].shape or len(other.masks) != len(self.masks):
            raise ShapeError(f"the pathways differ in layers (at '{name}'); compare those of one model and input size")
        return mask

    def packed(self) -> dict[str, Array]:
        """Return what a file of this pathway holds, as uint8: masks as bits, everything else as JSON.

        masks: of all layers one after the other, in the order and of the shapes that the JSON, `pathway`, says.
        """
        meta = {**vars(self), "format": FORMAT}
        meta["masks"] = [{"layer": name, "shape": mask.shape} for name, mask in self.masks.items()]
        # One array for all: each in an archive takes 40 µs, which a pathway of 20 layers would pay in every row.
        kept = np.concatenate([np.zeros(0, bool), *(mask.reshape(-1) for mask in self.masks.values())])
        text = json.dumps(meta, default=vars).encode()
        return {"pathway": np.frombuffer(text, np.uint8), "masks": np.packbits(kept)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pathway as .npz, whole or not at all. Raises JobError."""
        save_npz(Path(path), self.packed())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Pathway:
        """Read a pathway that `save` or a report wrote; InputError where the file is something else."""
        try:
            arrays = load_arrays(Path(path), wanted=("pathway", "masks").__contains__)
            if missing := [name for name in ("pathway", "masks") if name not in arrays]:
                raise ValueError(f"it holds no '{missing[0]}'")
            return cls._unpacked(arrays, path)
        except DAMAGED as error:
            raise InputError(f"'{path}' is not a pathway file of onnxpath: {error}") from error

    @classmethod
    def _unpacked(cls, data: Mapping[str, Array], path: str | os.PathLike[str]) -> Pathway:
        meta = read_as(dict[str, Any], parse(bytes(data["pathway"])))
        if (written := read_as(int, meta.get("format"))) != FORMAT:
            raise InputError(f"'{path}' is of format {written}, and this onnxpath reads format {FORMAT}")
        stored = read_as(list[_Stored], meta.get("masks"))
        found = read_as(cls, {**meta, "masks": {}})
        sizes = [math.prod(mask.shape) for mask in stored]
        if any(size < 0 for mask in stored for size in mask.shape) or len(data["masks"]) != (sum(sizes) + 7) // 8:
            raise ValueError(f"its masks are of {sum(sizes)} neurons, and {data['masks'].size} bytes of them are there")
        if [(c.name, c.neurons) for c in found.layers] != [(m.layer, n) for m, n in zip(stored, sizes, strict=True)]:
            raise ValueError("its counts are of other layers than its masks")
        bits, ends = np.unpackbits(data["masks"]).astype(bool), np.cumsum(sizes)
        return replace(
            found,
            masks={
                mask.layer: bits[end - size : end].reshape(mask.shape)
                for mask, size, end in zip(stored, sizes, ends, strict=True)
            },
        )


def relative_change(whole: float, alone: float) -> float | None:
    """Return (alone - whole) / |whole|, None where `whole` is 0."""
    return (alone - whole) / abs(whole) if whole else None


def read_logits(logits: Array, target: int, score: float) -> Readings:
    """Return the readings of one row; logits: the row, score: the explained scalar, target: -1 under a cotangent."""
    flat = logits.reshape(-1).astype(np.float64)
    prediction = int(flat.argmax())
    if target < 0 or flat.size < 2:
        return Readings(prediction, score, None, None, flat.size)
    shifted = np.exp(flat - flat.max())
    logit, flat[target] = flat[target], -np.inf
    softmax, margin = float(shifted[target] / shifted.sum()), float(logit - flat.max())
    return Readings(prediction, score, softmax, margin, flat.size)
