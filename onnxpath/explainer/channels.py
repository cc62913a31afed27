"""Channels that are off everywhere: which weights go with them, and taking both out of a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from onnxpath.graph.ir import Constant, Graph, Node, Tensor, array_of, static_shape
from onnxpath.graph.neurons import ACTIVATIONS, NeuronLayer

Channels = frozenset[int]

PASSING = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity", "Dropout"}
"""Operators that treat each channel by itself and make zeros of zeros."""

WITH_WEIGHTS = {"PRelu"}
ELEMENTWISE = ACTIVATIONS - WITH_WEIGHTS


class Stays(Exception):
    """These channels cannot be taken out; `but` those could be."""

    def __init__(self, but: Channels = frozenset()) -> None:
        self.but = but


@dataclass
class Removal:
    """What goes with the channels taken out.

    slices: name of a weight -> axis -> what is dropped; groups: depthwise convolution -> how many of its groups;
    layers: neuron layer -> its channels.
    """

    slices: dict[str, dict[int, set[int]]] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    layers: dict[str, set[int]] = field(default_factory=dict)

    def cut(self, weight: Tensor, axis: int, places: Set[int]) -> None:
        """Drop places of a weight that one node alone reads; Stays otherwise."""
        if not isinstance(weight, Constant) or len(weight.outputs) != 1:
            raise Stays
        self.slices.setdefault(weight.name, {}).setdefault(axis, set()).update(places)

    def add(self, other: Removal) -> None:
        """Take over another removal."""
        for name, axes in other.slices.items():
            for axis, places in axes.items():
                self.slices.setdefault(name, {}).setdefault(axis, set()).update(places)
        self.groups |= other.groups
        for name, channels in other.layers.items():
            self.layers.setdefault(name, set()).update(channels)


def plan(graph: Graph, layers: Sequence[NeuronLayer], masks: Mapping[str, np.ndarray]) -> Removal:
    """Find the channels that can be taken out, layer by layer; masks: of one row, bool."""
    # Everything below follows channels on axis 1; a transformer's are on the last.
    first = [layer for layer in layers if layer.channel_axis == 1]
    off = {layer.name: off_channels(masks[layer.name], 0) for layer in first}
    whole = Removal()
    for layer in first:
        channels = off[layer.name] - frozenset(whole.layers.get(layer.name, ()))
        while channels:
            part = Removal()
            try:
                from_producer(graph, graph.tensor(layer.name), channels, part)
                to_consumers(graph, graph.tensor(layer.name), channels, off, part)
                whole.add(part)
                break
            except Stays as stays:
                channels = channels & stays.but
    return whole


def off_channels(mask: np.ndarray, axis: int) -> Channels:
    """Return the channels without a kept neuron; one is left where there is none with."""
    kept = np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1).any(1)
    off = np.flatnonzero(~kept).tolist()
    return frozenset(off if kept.any() else off[1:])


def from_producer(graph: Graph, tensor: Tensor, channels: Channels, part: Removal) -> None:
    """Take the channels out of what makes them: a convolution or a product, and activations behind it."""
    part.layers.setdefault(tensor.name, set()).update(channels)
    node = tensor.inputs[0]
    while node.op in ELEMENTWISE:
        source = node.inputs[0]
        if not read_once(graph, source) or not source.inputs:
            raise Stays
        node = source.inputs[0]
    axis = {"Conv": 0, "MatMul": 1, "Gemm": 0 if node.attrs.get("transB", 0) else 1}.get(node.op)
    if axis is None or node.attrs.get("group", 1) != 1:
        raise Stays
    part.cut(node.inputs[1], axis, channels)
    if len(node.inputs) > 2 and node.inputs[2].name:
        cut_bias(node.inputs[2], channels, part)


def read_once(graph: Graph, tensor: Tensor) -> bool:
    """Return whether one node alone reads a tensor, and the model does not put it out."""
    return len(tensor.outputs) == 1 and all(tensor is not output for output in graph.outputs)


def cut_bias(bias: Tensor, channels: Channels, part: Removal) -> None:
    """Take the channels out of a bias, unless one number serves all."""
    shape = static_shape(bias)
    if shape and shape[-1] != 1:
        part.cut(bias, len(shape) - 1, channels)


def to_consumers(graph: Graph, tensor: Tensor, channels: Channels, off: Mapping[str, Channels], part: Removal) -> None:
    """Take channels that are zero out of everything that reads them; their axis is 1."""
    if any(tensor is output for output in graph.outputs):
        raise Stays
    for node in tensor.outputs:
        if node.op == "Conv" and node.inputs[0] is tensor and node.attrs.get("group", 1) == 1:
            part.cut(node.inputs[1], 1, channels)
        elif node.op == "Conv" and node.inputs[0] is tensor:
            through_depthwise(graph, node, channels, off, part)
        elif node.op == "Gemm" and node.inputs[0] is tensor and not node.attrs.get("transA", 0):
            part.cut(node.inputs[1], 1 if node.attrs.get("transB", 0) else 0, channels)
        elif node.op == "MatMul" and node.inputs[0] is tensor and len(tensor.shape) == 2:
            part.cut(node.inputs[1], 0, channels)
        elif (moved := moved_channels(node, tensor, channels)) is not None:
            to_consumers(graph, node.outputs[0], moved, off, part)
        else:
            raise Stays


def moved_channels(node: Node, tensor: Tensor, channels: Channels) -> Channels | None:
    """Return where the channels are behind a node that passes them on, None for any other node."""
    if node.op in PASSING and len([t for t in node.outputs if t.name]) == 1:
        return channels
    if node.op == "Concat" and node.attrs.get("axis") in (1, 1 - len(tensor.shape)):
        places = [i for i, t in enumerate(node.inputs) if t is tensor]
        sizes = [t.shape[1] for t in node.inputs[: places[0]] if t.shape is not None and isinstance(t.shape[1], int)]
        known = len(places) == 1 and len(sizes) == places[0]
        return frozenset(c + sum(sizes) for c in channels) if known else None
    if node.op == "Flatten" and node.attrs.get("axis", 1) == 1:
        return spread(tensor, channels)
    if node.op == "Reshape" and isinstance(node.inputs[1], Constant):
        # A size that is written out would have to change too.
        wanted = array_of(node.inputs[1]).tolist()
        return spread(tensor, channels) if len(wanted) == 2 and wanted[1] == -1 else None
    if node.op in ("ReduceMean", "ReduceMax", "ReduceSum") and len(node.inputs) > 1:
        axes = array_of(node.inputs[1]).tolist() if isinstance(node.inputs[1], Constant) else [0]
        size = len(tensor.shape)
        return channels if axes and all(a % size > 1 for a in axes) else None
    return None


def spread(tensor: Tensor, channels: Channels) -> Channels | None:
    """Return the places of the channels in a flattened row."""
    behind = tensor.shape[2:]
    if not all(isinstance(size, int) for size in behind):
        return None
    width = int(np.prod(behind))
    return frozenset(place for c in channels for place in range(c * width, (c + 1) * width))


def through_depthwise(graph: Graph, node: Node, channels: Channels, off: Mapping[str, Channels], part: Removal) -> None:
    """Take channels out of a depthwise convolution, where the neuron layer behind it has them off too."""
    weight = static_shape(node.inputs[1])
    if weight is None or weight[0] != node.attrs["group"] or weight[1] != 1:
        raise Stays
    layer = next((t for t in behind(graph, node.outputs[0]) if t.name in off), None)
    if layer is None:
        raise Stays
    if not channels <= off[layer.name]:
        raise Stays(off[layer.name])
    part.cut(node.inputs[1], 0, channels)
    if len(node.inputs) > 2 and node.inputs[2].name:
        cut_bias(node.inputs[2], channels, part)
    part.groups[node.name] = weight[0] - len(channels)
    part.layers.setdefault(layer.name, set()).update(channels)
    to_consumers(graph, layer, channels, off, part)


def behind(graph: Graph, tensor: Tensor) -> Iterator[Tensor]:
    """Yield a tensor and what activations that alone read it make of it."""
    yield tensor
    while read_once(graph, tensor) and tensor.outputs[0].op in ELEMENTWISE:
        tensor = tensor.outputs[0].outputs[0]
        yield tensor


def take_out(graph: Graph, removal: Removal) -> None:
    """Make the weights smaller, in place, and forget the sizes of what is computed."""
    for name, axes in removal.slices.items():
        constant = graph.tensor(name)
        values = array_of(constant)
        for axis, places in axes.items():
            values = np.delete(values, sorted(places), axis)
        constant.values = values
    for node in graph.nodes:
        if node.name in removal.groups:
            node.attrs["group"] = removal.groups[node.name]
        for tensor in node.outputs:
            tensor.shape = None if removal.slices else tensor.shape
