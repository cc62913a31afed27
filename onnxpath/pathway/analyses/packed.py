"""Pathways of many inputs at once: masks kept as bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.session import Array


class PackedMasks(Mapping[str, Array]):
    """Layer -> bool mask, held in an eighth of its size; each access unpacks."""

    def __init__(self, masks: Mapping[str, Array]) -> None:
        self._bits = {name: (np.packbits(mask.reshape(-1)), mask.shape) for name, mask in masks.items()}

    def __getitem__(self, name: str) -> Array:
        bits, shape = self._bits[name]
        return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)


def packed(pathway: Pathway) -> Pathway:
    """Return the same pathway with its masks kept as bits."""
    return replace(pathway, masks=PackedMasks(pathway.masks))
