"""Targets: which scalar of the output is explained, as cotangents made inside the graph."""

from __future__ import annotations

from dataclasses import dataclass

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, Node, Tensor, Variable, is_float, is_variable, onnx_dtype
from onnxpath.lowering.cast import accumulator, in_dtype

TARGET = "target"
COTANGENT = "cotangent"
QDQ = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Readout:
    """The tensor whose entries are targets.

    name: the tensor; output: the graph output it stands for; skipped: "Softmax" or "LogSoftmax" where that was
    skipped to reach the logits, else None.
    """

    name: str
    output: str
    skipped: str | None


def readout(graph: Graph, output: str | None = None) -> Readout:
    """Return the logits of a model: an output, or the input of the Softmax that ends in it.

    output: name of a float output, default the first that has rows; or of any float tensor, whose entries are neurons
    then.
    """
    floats = [t.name for t in graph.outputs if is_float(t)]
    if not floats:
        raise ModelError("the model has no float output, so there is nothing to explain; export one with float outputs")
    rows = (t.name for t in graph.outputs if is_float(t) and t.shape != [])
    name = output if output is not None else next(rows, floats[0])
    if name not in floats:
        if any(t.name == name and is_variable(t) and is_float(t) for t in graph.tensors().values()):
            return Readout(name, name, None)
        raise unknown("float output", [name], floats, "any other float tensor of the model may be named too")
    tensor = next(t for t in graph.outputs if t.name == name)
    node = tensor.inputs[0] if tensor.inputs else None
    while node is not None and node.op in ("Identity", "Flatten", "Reshape", "Squeeze", *QDQ):
        source = node.inputs[0]
        node = source.inputs[0] if source.inputs else None
    if node is not None and node.op in ("Softmax", "LogSoftmax") and not _over_rows(node):
        return Readout(node.inputs[0].name, name, node.op)
    return Readout(name, name, None)


def _over_rows(softmax: Node) -> bool:
    axis, shape = softmax.attrs.get("axis", -1), softmax.inputs[0].shape
    return axis == 0 or (shape is not None and axis == -len(shape))


def add_target(op: Emitter, tensor: Tensor) -> Variable:
    """Add the input `target`, int64 [N]: which entry of each flattened row of `tensor` is explained."""
    return op.add_input(TARGET, "int64", [tensor.shape[0] if tensor.shape else None])


def add_cotangent(op: Emitter, tensor: Tensor) -> Variable:
    """Add the input `cotangent` of the shape of `tensor`."""
    return op.add_input(COTANGENT, tensor.dtype, list(tensor.shape))


GOALS = {TARGET: add_target, COTANGENT: add_cotangent}


def flattened(op: Emitter, tensor: Tensor) -> Tensor:
    """Return rows of entries, [N, entries]."""
    # Not by Reshape: past one ONNX Runtime 1.31 moves the quantisation of int8 logits, and then takes them for uint8.
    flat: Tensor = op.Flatten(tensor, axis=1)
    return flat


def chosen_entry(op: Emitter, tensor: Tensor, target: Tensor) -> Tensor:
    """Return the explained entry of each row as int64 [N, 1]: the target, or the largest entry where that is -1."""
    flat = flattened(op, tensor)
    # Few providers compare bfloat16.
    best = op.ArgMax(in_dtype(op, flat, accumulator(flat)), axis=1, keepdims=1)
    asked = op.Unsqueeze(target, [1])
    chosen: Tensor = op.Where(op.Less(asked, op.const(0)), best, asked)
    return chosen


def seed_target(op: Emitter, tensor: Tensor, target: Tensor | None = None) -> Tensor:
    """Return a one-hot cotangent for `tensor` [N, ...]; target: as `add_target` adds, which it does where None."""
    target = add_target(op, tensor) if target is None else target
    with op.serving(tensor.name, "target"):
        chosen, flat = chosen_entry(op, tensor, target), flattened(op, tensor)
        places = op.places(flat, 1)
        one_hot = op.Cast(op.Equal(places, chosen), to=onnx_dtype(tensor))
        flat_already = tensor.shape is not None and len(tensor.shape) == 2
        seed: Tensor = one_hot if flat_already else op.Reshape(one_hot, op.Shape(tensor))
    seed.shape = list(tensor.shape) if tensor.shape is not None else None
    return seed


def seed_cotangent(op: Emitter, tensor: Tensor, cotangent: Tensor | None = None) -> Tensor:
    """Return the cotangent itself; cotangent: as `add_cotangent` adds, which it does where None."""
    return add_cotangent(op, tensor) if cotangent is None else cotangent


SEEDS = {TARGET: seed_target, COTANGENT: seed_cotangent}
