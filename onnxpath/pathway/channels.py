"""The channels that carry a pathway: the scores of kept neurons, summed by channel."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TypeAlias

import numpy as np

from onnxpath.graph.neurons import NeuronLayer
from onnxpath.runtime.session import Array

TOP = 3
"""Channels that are told of each layer."""

Ranked: TypeAlias = tuple[tuple[int, ...], tuple[float, ...]]
"""The top channels of a layer, the largest first, and their shares."""


def channel_sums(layer: NeuronLayer, scores: Array, mask: Array) -> Array:
    """Return the scores of kept neurons summed by channel, [n, channels]; the neurons of a dense layer are channels.

    scores: magnitudes [n, ...]; mask: bool of the same shape.
    """
    # A layer that has no axis but the rows' is one channel.
    axis = layer.channel_axis or scores.ndim
    sizes = scores.shape
    shape = (len(scores), prod(sizes[1:axis]), prod(sizes[axis : axis + 1]), prod(sizes[axis + 1 :]))
    return np.asarray(np.einsum("nbca,nbca->nc", scores.reshape(shape), mask.reshape(shape)))


def top_channels(sums: Mapping[str, Array]) -> dict[str, list[Ranked]]:
    """Return layer -> the TOP largest channels of each row, of equal ones the first, and their shares of the row's sum.

    sums: layer -> [n, channels]. Shares are rounded to 4 digits, and those that are zero then are left out.
    """
    if not sums:
        return {}
    # All layers at once, the narrow ones filled up with zeros: a call each would cost more than one row's pathway.
    left = np.zeros((len(sums), len(next(iter(sums.values()))), max(TOP, *(s.shape[1] for s in sums.values()))))
    for own, layer in zip(left, sums.values(), strict=True):
        own[:, : layer.shape[1]] = layer
    total, places, sizes = left.sum(2), [], []
    for _ in range(TOP):
        place = left.argmax(2)[..., None]
        places.append(place)
        sizes.append(np.take_along_axis(left, place, 2))
        np.put_along_axis(left, place, 0, 2)
    # No share is told of a row that keeps nothing, nor of one whose sum is more than a float can hold.
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(np.round(np.concatenate(sizes, 2) / total[..., None], 4))
    told = zip(np.concatenate(places, 2).tolist(), shares.tolist(), strict=True)
    return {name: [_positive(*row) for row in zip(*rows, strict=True)] for name, rows in zip(sums, told, strict=True)}


def _positive(channels: list[int], shares: list[float]) -> Ranked:
    count = len(shares) - shares.count(0.0)
    return tuple(channels[:count]), tuple(shares[:count])
