"""How far each unit of a network is from its kinks, before that is divided by the length of its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onnxpath.graph.ir import Constant, Node, Tensor
from onnxpath.graph.surgery import MASK_PREFIX
from onnxpath.pathway.analyses.kinks import Kink
from onnxpath.runtime.session import Array

CLAMPS = ("Relu", "Clip")
"""Activations that are constant outside of their bounds."""


@dataclass(frozen=True)
class Margins:
    """The kinks of one node, as differences that are zero on them.

    plus: flat places in the node's input; minus: places of what is subtracted, None where that is a constant;
    values: the differences, signed.
    """

    plus: Array
    minus: Array | None
    values: Array

    def nearest(self, count: int) -> Margins:
        """Return those with the smallest differences."""
        chosen = np.argsort(np.abs(self.values), kind="stable")[:count]
        return Margins(self.plus[chosen], None if self.minus is None else self.minus[chosen], self.values[chosen])


def margins(kink: Kink, value: Array, pooled: Array | None, masks: Mapping[str, Array]) -> Margins:
    """Return the margins of one node in one row.

    value: the row of the kink's tensor; pooled: spatial sizes behind a pooling; masks: layer -> neurons kept (a pruned
    one is constant and does not bend), empty for the whole network.
    """
    wide = value.astype(np.float64)
    if kink.pool is not None:
        live = where_live(kink.tensor, wide, masks)
        return _pool_margins(wide, live, window_places(kink.pool, value.shape[1:], pooled))
    places = np.flatnonzero(masks[kink.name]) if kink.name in masks else np.arange(wide.size)
    if not kink.bounds:
        return Margins(places[:0], None, wide.reshape(-1)[:0])
    # All kinks of a unit are parallel, so only the nearest counts.
    apart = wide.reshape(-1)[places, None] - np.asarray(kink.bounds)
    nearest = np.abs(apart).argmin(1)
    return Margins(places, None, apart[np.arange(len(places)), nearest])


def where_live(tensor: Tensor, value: Array, masks: Mapping[str, Array]) -> Array:
    """Return where a pooling's input can vary; elsewhere it is known to be constant.

    A unit behind ReLU or ReLU6 that is off or saturated is constant. Where such a constant meets a unit that varies,
    that unit is on a bound of its own, which is counted as its own kink already. The same goes for a pruned unit,
    whose constant is zero, where zero is a bound.
    """
    activation, mask = _unmasked(tensor), None
    if activation is not tensor:
        mask = masks[activation.name]
    made = activation.inputs[0] if activation.inputs else None
    if made is None or made.op not in CLAMPS:
        return np.ones(value.shape, bool)
    low, high = _range(made)
    live: Array = (value > low) & (value < high)
    if mask is None:
        return live
    return live & mask if 0.0 in (low, high) else live | ~mask


def _unmasked(tensor: Tensor) -> Tensor:
    """Return the activation that a tensor is, or is the product of with its mask."""
    node = tensor.inputs[0] if tensor.inputs else None
    masked = node is not None and node.op == "Mul" and node.inputs[1].name == MASK_PREFIX + node.inputs[0].name
    return node.inputs[0] if node is not None and masked else tensor


def _range(node: Node) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, np.inf
    low, high = ([*node.inputs[1:], None, None])[:2]
    return (
        float(low.values) if isinstance(low, Constant) else -np.inf,
        float(high.values) if isinstance(high, Constant) else np.inf,
    )


def _pool_margins(value: Array, live: Array, places: Array) -> Margins:
    """Winner minus rival, for every rival in every window; of equal values the first wins, as in the forward pass."""
    channels, size = value.shape[0], int(np.prod(value.shape[1:]))
    flat, live = value.reshape(channels, size), live.reshape(channels, size)
    values = np.where(places >= 0, flat[:, places], -np.inf)
    winner = np.broadcast_to(places, values.shape)[(*np.indices(values.shape[:2]), values.argmax(2))]
    rival = np.broadcast_to(places, values.shape)
    channel, window, tap = np.nonzero((rival >= 0) & (rival != winner[..., None]))
    won, lost = winner[channel, window], rival[channel, window, tap]
    both = live[channel, won] & live[channel, lost]
    pairs = np.stack([channel * size + won, channel * size + lost])[:, both]
    # Windows that overlap hold some pairs twice.
    plus, minus = np.unique(pairs, axis=1)
    return Margins(plus, minus, value.reshape(-1)[plus] - value.reshape(-1)[minus])


def window_places(node: Node, sizes: Sequence[int], pooled: Array | None) -> Array:
    """Return the flat spatial places of each window of a max pooling, int64 [windows, taps], -1 outside of the input.

    sizes: of the input; pooled: of the output, as they came out (they hold what ceil_mode does).
    """
    if node.op == "GlobalMaxPool" or pooled is None:
        return np.arange(int(np.prod(sizes)))[None]
    n = len(sizes)
    kernel, pads = node.attrs["kernel_shape"], node.attrs.get("pads") or [0] * 2 * n
    strides, dilations = node.attrs.get("strides") or [1] * n, node.attrs.get("dilations") or [1] * n
    flat, inside = np.zeros([1, 1], np.int64), np.ones([1, 1], bool)
    for axis, size in enumerate(sizes):
        begin = np.arange(pooled[axis]) * strides[axis] - pads[axis]
        place = begin[:, None] + np.arange(kernel[axis]) * dilations[axis]
        windows, taps = len(flat) * len(place), flat.shape[1] * place.shape[1]
        within = (place >= 0) & (place < size)
        flat = (flat[:, None, :, None] * size + place[None, :, None]).reshape(windows, taps)
        inside = (inside[:, None, :, None] & within[None, :, None]).reshape(windows, taps)
    return np.where(inside, flat, -1)
