"""Rewrite a graph: expose tensors, insert masks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import onnx

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, Variable, rank, replace_uses
from onnxpath.graph.neurons import NeuronLayer, neuron_layers
from onnxpath.graph.query import downstream
from onnxpath.registry import as_names

MASK_PREFIX = "mask_"


def expose(model: Any, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return the model with the named tensors as further outputs, under their own names.

    model: path, bytes, ModelProto, Graph or Model. Raises UnknownName with the nearest names.
    """
    graph = as_graph(model)
    expose_tensors(graph, as_names(tensors))
    return graph.to_model()


def expose_tensors(graph: Graph, names: Sequence[str]) -> None:
    """Make the named tensors outputs of the graph, in place."""
    known = graph.require(names)
    listed = {t.name for t in graph.outputs}
    graph.outputs.extend(known[name] for name in dict.fromkeys(names) if name not in listed)


def insert_masks(model: Any, layers: Sequence[str] | None = None, per: str = "neuron") -> onnx.ModelProto:
    """Return the model with a mask input `mask_<layer>` multiplied onto each named activation.

    model: path, bytes, ModelProto, Graph or Model; layers: names of neuron layers, default all that are not the output
    itself; per: "neuron" (a mask of the layer's shape) or "channel" (size 1 on every axis but rows and channels). Masks
    have the layer's dtype; each row has its own. Raises UnknownName, ShapeError (a layer of unknown rank).
    """
    graph = as_graph(model)
    known = _layers_of(graph, keep_readout=layers is not None)
    chosen = list(known) if layers is None else as_names(layers)
    if missing := [name for name in chosen if name not in known]:
        raise unknown("neuron layer", missing, known, "`onnxpath inspect MODEL` lists the neuron layers of a model")
    if per not in ("neuron", "channel"):
        raise unknown("kind of mask", [per], ["neuron", "channel"])
    mask_layers(Emitter(graph), [known[name] for name in chosen], per)
    return graph.to_model()


def _layers_of(graph: Graph, keep_readout: bool) -> dict[str, NeuronLayer]:
    """Return the neuron layers on the way to any output, by name in graph order."""
    found = {layer.name: layer for t in graph.outputs for layer in neuron_layers(graph, t.name, keep_readout)[0]}
    return {t.name: found[t.name] for node in graph.nodes for t in node.outputs if t.name in found and t.outputs}


def begin_at(graph: Graph, names: Sequence[str]) -> Graph:
    """Return a copy in which the named tensors are inputs, fed instead of computed; the other inputs stay.

    Raises UnknownName; ModelError where one of them is computed from another.
    """
    cut = graph.copy()
    known = cut.require(names)
    after = {name: downstream(cut, [name]) - {name} for name in names}
    if nested := [f"'{b}' from '{a}'" for a in names for b in names if b in after[a]]:
        raise ModelError(f"tensors to begin at are computed from each other ({', '.join(nested)}); name one of them")
    for name in names:
        known[name].inputs.clear()
        cut.inputs.append(known[name])
    cut.cleanup()
    return cut


def mask_layers(op: Emitter, layers: Sequence[NeuronLayer], per: str = "neuron") -> dict[str, Variable]:
    """Multiply a new mask input onto each layer, in place; return layer name -> mask."""
    tensors = op.graph.tensors()
    masks = {}
    for layer in layers:
        tensor = tensors[layer.name]
        rank(tensor)  # an input of unknown rank is not valid ONNX
        shape = list(tensor.shape)
        if per == "channel":
            shape = [d if axis in (0, layer.channel_axis) else 1 for axis, d in enumerate(shape)]
        masks[layer.name] = op.add_input(MASK_PREFIX + layer.name, tensor.dtype, shape)
        with op.serving(layer.name, "mask"):
            replace_uses(tensor, op.Mul(tensor, masks[layer.name]))
    # Masked values are made where they are used, between forward nodes.
    op.graph.body.toposort()
    return masks


def as_graph(model: Any, keep: Collection[str] = ()) -> Graph:
    """Return a canonized graph of one's own from whatever names a model.

    keep: initializers that folding must leave in place (what is canonized already stays as it is).
    """
    graph = getattr(model, "graph", model)
    if isinstance(graph, onnx.GraphProto):
        graph = model
    if isinstance(graph, Graph):
        return graph.copy()
    if graph is None:
        raise ModelError("no model was given; give a path, bytes, a ModelProto or a loaded Model")
    return load_graph(graph, keep)
