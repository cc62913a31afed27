"""A pathway as a model: the masked network itself, without the channels that are off everywhere."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxpath.backward.target import TARGET
from onnxpath.errors import InputError
from onnxpath.explainer.channels import plan, take_out
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Graph, is_float, onnx_dtype, replace_uses
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import Setup
from onnxpath.runtime.model import Model, load


def pathway_model(model: Any, pathway: Any, output: str | None = None) -> onnx.ModelProto:
    """Return the network that only a pathway's neurons are left of, with the model's inputs and outputs.

    model: path, bytes, ModelProto or loaded Model; pathway: a Pathway, or the path of a file of one; output: that it
    explains, as in `critical_pathway`. Masks are weights of the file: it gives the masked network's answers for any
    batch. Channels without a kept neuron are removed together with their weights where everything that reads them lets
    them go (convolutions, products, pooling, concatenation; not where a residual is added). The metadata says how many.
    Raises InputError: a pathway of another model.
    """
    loaded = load(model)
    chosen = Pathway.load(pathway) if isinstance(pathway, (str, os.PathLike)) else pathway
    layers = loaded.layers(output)
    check_same(chosen, layers, loaded)
    setup = Setup(loaded, tuple(layers), loaded.readout(output).name, TARGET)
    outputs = [t.name for t in loaded.graph.outputs]
    graph, op = setup.start(keep=outputs)
    graph.outputs[:] = [graph.tensor(name) for name in outputs]
    graph.cleanup()
    before = parameters(graph)
    removal = plan(graph, layers, chosen.masks)
    take_out(graph, removal)
    left = parameters(graph)
    for layer in layers:
        kept = np.delete(chosen.masks[layer.name], sorted(removal.layers.get(layer.name, ())), layer.channel_axis - 1)
        mask_with(graph, op, layer.name, kept)
    graph.body.toposort()
    made = onnx.shape_inference.infer_shapes(graph.to_model())
    facts = {
        "onnxpath.pathway": f"{chosen.selector}, sparsity {chosen.sparsity:g}, density {chosen.density:.6f}",
        "onnxpath.target": str(chosen.target),
        "onnxpath.removed_channels": str(sum(map(len, removal.layers.values()))),
        "onnxpath.parameters": f"{left} of {before}",
        "onnxpath.model_sha256": loaded.sha256 or "",
    }
    onnx.helper.set_model_props(made, {p.key: p.value for p in made.metadata_props} | facts)
    return made


def check_same(pathway: Pathway, layers: list[NeuronLayer], model: Model) -> None:
    """Raise InputError where a pathway's layers are not the model's."""
    own = {layer.name: layer.shape for layer in layers}
    lines = [f"  layer '{name}' is not in the model" for name in pathway.masks if name not in own]
    lines += [f"  the model's layer '{name}' is not in the pathway" for name in own if name not in pathway.masks]
    for name, mask in pathway.masks.items():
        shape = own.get(name, mask.shape) or ()
        if len(shape) != mask.ndim or any(a not in (None, b) for a, b in zip(shape, mask.shape, strict=True)):
            lines.append(f"  layer '{name}' has shape {shape}, and {mask.shape} in the pathway")
    if lines:
        shown = lines[:10] + ([f"  and {len(lines) - 10} more"] if len(lines) > 10 else [])
        where = model.path.name if isinstance(model.path, Path) else "the model"
        raise InputError(f"the pathway is not one of {where}:\n" + "\n".join(shown))


def mask_with(graph: Graph, op: Emitter, name: str, kept: Any) -> None:
    """Multiply a layer by a constant mask; where all is kept, leave it."""
    if kept.all():
        return
    tensor = graph.tensor(name)
    outputs = [i for i, t in enumerate(graph.outputs) if t is tensor]
    with op.serving(name, "mask"):
        # A byte for each neuron in the file; a session makes it a float once, when it opens.
        masked = op.Mul(tensor, op.Cast(op.const(kept[None]), to=onnx_dtype(tensor)))
    replace_uses(tensor, masked)
    for index in outputs:
        graph.outputs[index] = tensor


def parameters(graph: Graph) -> int:
    """Return the number of float weights."""
    constants = (t for t in graph.tensors().values() if isinstance(t, Constant) and is_float(t))
    return sum(math.prod(t.shape) for t in constants)
