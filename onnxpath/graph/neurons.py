"""Neuron layers: the outputs of activation functions, one per call, found in the graph."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxpath.graph.embeddings import embeddings
from onnxpath.graph.ir import Constant, Graph, Node, Tensor, is_float, is_variable, static_shape
from onnxpath.graph.quantised import folded_relu, varies
from onnxpath.graph.query import downstream, upstream

MOST_STEPS = 8
"""Nodes between a gate and the product that it belongs to: two of the function, two pairs of quantisation."""

RELU_FAMILY = {"Relu", "Clip", "ThresholdedRelu"}
ACTIVATIONS = RELU_FAMILY | {"LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Swish", "HardSwish", "Mish"}
ACTIVATIONS |= {"Softplus", "Softsign", "Tanh", "Sigmoid", "HardSigmoid", "Shrink"}
GATES = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish", "Clip": "HardSwish", "Erf": "Gelu", "Tanh": "Gelu"}
"""What exporters multiply with its own argument, and which function that spells (Tanh of Softplus: Mish)."""

FOLDED_RELU = "Relu in QuantizeLinear"
"""The name of a ReLU that a quantizer folded into the pair behind it."""

ARITHMETIC = {"Mul", "Div", "Add", "Sub", "Pow", "Softplus", "Neg", "Identity", "Cast", "Exp", "Log"}
ARITHMETIC |= {"QuantizeLinear", "DequantizeLinear"}
POOLING = {"AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum"}
RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Cast"}
READOUT = POOLING | RESHAPING | {"Softmax", "LogSoftmax", "QuantizeLinear", "DequantizeLinear"}
"""Between an activation and the output these change nothing about what the activation is: the output."""


@dataclass(frozen=True)
class NeuronLayer:
    """One call of an activation function.

    name: its output tensor; op: the function ("Relu", "Gelu", ...); shape: sizes behind the row axis, None where they
    are open until run time; has_zero: output and derivative are exactly zero together (the ReLU family), so that
    "inactive" is defined; saturation: the upper bound of ReLU6 and the like, None without one; channel_axis: counted
    with the row axis.
    """

    name: str
    op: str
    shape: tuple[int | None, ...]
    has_zero: bool
    saturation: float | None
    channel_axis: int

    @property
    def neurons(self) -> int | None:
        """Neurons in one row, None where sizes are known at run time only."""
        return None if None in self.shape else math.prod(size for size in self.shape if size is not None)


def neuron_layers(graph: Graph, target: str, keep_readout: bool = False) -> tuple[list[NeuronLayer], dict[str, str]]:
    """Return the neuron layers that `target` depends on, in order, and what was left out (name -> reason).

    An activation between which and the target there is only pooling, reshaping or softmax is the output itself, and
    left out unless keep_readout.
    """
    found = dict(_activations(graph))
    # Ids pass no gradient on, and what is looked up with them does.
    roots = [t.name for t in graph.inputs] + [e.name for e in embeddings(graph)]
    live = upstream(graph, [target]) & downstream(graph, roots)
    readout = set() if keep_readout else _readout(graph, target)
    layers, left_out = [], {}
    for name, (op, tensor) in found.items():
        if name not in live:
            continue
        if name in readout:
            reason = "only pooling, reshaping or softmax lies"
            left_out[name] = f"{reason} between this {op} and '{target}': it is the output"
        else:
            layers.append(_layer(tensor, op))
    return layers, left_out


def spelled_gates(graph: Graph) -> list[str]:
    """Return the names of the nodes that activations spelled in several nodes multiply their argument with."""
    return [node.name for node in graph.nodes if node.op in GATES and _spelled_out(node) is not None]


def _activations(graph: Graph) -> Iterator[tuple[str, tuple[str, Tensor]]]:
    """Yield (output name, (function, output)) in graph order; what spells out another activation is none itself."""
    spelled = {}
    inside: set[str] = set()
    for node in graph.nodes:
        if node.op in GATES and (match := _spelled_out(node)) is not None:
            last, name, parts = match
            spelled[last.name] = name
            inside |= parts - {last.name}
    for node in graph.nodes:
        if node.name in spelled:
            yield node.outputs[0].name, (spelled[node.name], node.outputs[0])
        elif node.name in inside or not node.outputs or not is_float(node.outputs[0]):
            continue
        elif node.op in ACTIVATIONS and is_variable(node.inputs[0]):
            yield node.outputs[0].name, (node.op, node.outputs[0])
        elif node.op == "Max" and _constant_zero(node):
            yield node.outputs[0].name, ("Relu", node.outputs[0])
        elif folded_relu(node) is not None and not _is_activated(node.outputs[0]):
            yield node.outputs[0].name, (FOLDED_RELU, node.outputs[0])


def _is_activated(tensor: Tensor) -> bool:
    """True where only activation functions read a tensor: they are the neuron layer."""
    return bool(tensor.outputs) and all(node.op in ACTIVATIONS for node in tensor.outputs)


def _constant_zero(node: Node) -> bool:
    constants = [t for t in node.inputs if isinstance(t, Constant)]
    return len(node.inputs) == 2 and len(constants) == 1 and not np.any(constants[0].values)


def _spelled_out(gate: Node) -> tuple[Node, str, set[str]] | None:
    """Find x * g(x) around a gate: its last node, the function's name, and the names of the nodes that spell it."""
    node = gate
    between: set[str] = set()
    for _ in range(MOST_STEPS):
        consumers = node.outputs[0].outputs
        if len(consumers) != 1 or consumers[0].op not in ARITHMETIC:
            return None
        gated, node = node.outputs[0], consumers[0]
        between.add(node.name)
        if sum(varies(t) for t in node.inputs) == 2:
            other = next((t for t in node.inputs if t is not gated), gated)
            parts = _made_of(gate.inputs[0], other) if node.op == "Mul" else None
            return None if parts is None else (_scaled(node, gate), _function(gate), {gate.name, *parts, *between})
    return None


def _made_of(tensor: Tensor, x: Tensor) -> set[str] | None:
    """Return the names of the nodes that make `tensor` of x and constants by arithmetic, None where more goes in.

    Where x is something times a constant (0.5 x in GELU), it may be made of that too.
    """
    roots, todo = {x.name}, [tensor]
    parts: set[str] = set()
    if x.inputs and (source := _unscaled(x.inputs[0])) is not None:
        roots.add(source.name)
    while todo:
        current = todo.pop()
        if current.name in roots:
            continue
        node = current.inputs[0] if current.inputs else None
        if node is None or node.op not in ARITHMETIC or len(parts) > 24:
            return None
        parts.add(node.name)
        todo += [t for t in node.inputs if varies(t)]
    return parts


def _unscaled(node: Node) -> Tensor | None:
    """Return x of a node that is x times, or divided by, one constant number; else None."""
    numbers = [t for t in node.inputs if not varies(t) and static_shape(t) in ([], [1])]
    if node.op not in ("Mul", "Div") or not numbers:
        return None
    return next((t for t in node.inputs if varies(t)), None)


def _scaled(node: Node, gate: Node) -> Node:
    """Return the node that ends the function: GELU and HardSwish may have their factor behind the product."""
    consumers = _behind_pair(node.outputs[0]).outputs
    last = gate.op in ("Erf", "Tanh", "Clip") and len(consumers) == 1 and _unscaled(consumers[0]) is not None
    return consumers[0] if last else node


def _behind_pair(tensor: Tensor) -> Tensor:
    """Return what a tensor is after the QuantizeLinear, DequantizeLinear pair that alone reads it, if there is one."""
    for operator in ("QuantizeLinear", "DequantizeLinear"):
        if len(tensor.outputs) == 1 and tensor.outputs[0].op == operator:
            tensor = tensor.outputs[0].outputs[0]
    return tensor


def _function(gate: Node) -> str:
    if gate.op == "Tanh" and any(node.op == "Softplus" for node in gate.inputs[0].inputs):
        return "Mish"
    return GATES[gate.op]


def _readout(graph: Graph, target: str) -> set[str]:
    """Tensors from which only readout operators lead to the target."""
    reached = {target}
    for node in reversed(graph.nodes):
        if node.op in READOUT and any(t.name in reached for t in node.outputs):
            reached.add(node.inputs[0].name)
    return reached


def _layer(tensor: Tensor, op: str) -> NeuronLayer:
    node = tensor.inputs[0]
    low, high = _bounds(node) if op == "Clip" else (0.0, folded_relu(node) if op == FOLDED_RELU else None)
    if op == "ThresholdedRelu":
        low = min(0.0, float(node.attrs.get("alpha", 1.0)))  # below zero, what passes may be below zero too
    shape = tuple(d if isinstance(d, int) else None for d in (tensor.shape or [None, None])[1:])
    zero = op in (*RELU_FAMILY, FOLDED_RELU) and low == 0.0
    return NeuronLayer(tensor.name, op, shape, zero, high, _channel_axis(tensor))


def _bounds(clip: Node) -> tuple[float | None, float | None]:
    bounds = [*clip.inputs[1:], None, None][:2]
    low, high = (float(t.values) if isinstance(t, Constant) else None for t in bounds)
    return low, high


CHANNELS_FIRST = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "MaxPool", "AveragePool"}
CHANNELS_LAST = {"Gemm", "MatMul", "LayerNormalization"}


def _channel_axis(tensor: Tensor, steps: int = 8) -> int:
    """The axis, row axis counted, that the nearest linear layer upstream writes its channels to."""
    rank = len(tensor.shape or [None, None])
    node = tensor.inputs[0] if tensor.inputs else None
    if node is None or node.op in CHANNELS_FIRST:
        return min(1, rank - 1)
    if node.op in CHANNELS_LAST:
        return rank - 1
    source = next((t for t in node.inputs if varies(t)), None)
    if source is None or not steps:
        return 1 if rank >= 4 else rank - 1
    axis = _channel_axis(source, steps - 1)
    if node.op == "Transpose":
        return int(list(node.attrs.get("perm", range(rank)[::-1])).index(axis))
    return axis if source.shape is not None and len(source.shape) == rank else min(axis, rank - 1)
