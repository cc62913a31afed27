"""Neuron layers: the outputs of activation functions, one per call, found in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnxpath.graph.ir import Constant, Graph, Node, Tensor, is_float, is_variable
from onnxpath.graph.query import downstream, upstream

RELU_FAMILY = {"Relu", "Clip", "ThresholdedRelu"}
ACTIVATIONS = RELU_FAMILY | {"LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Swish", "HardSwish", "Mish"}
ACTIVATIONS |= {"Softplus", "Softsign", "Tanh", "Sigmoid", "HardSigmoid", "Shrink"}
GATES = {"Sigmoid", "HardSigmoid", "Erf", "Tanh"}
"""What exporters multiply with its own argument to spell SiLU, HardSwish, GELU and Mish."""

ARITHMETIC = {"Mul", "Div", "Add", "Sub", "Pow", "Softplus", "Neg", "Identity", "Cast", "Exp", "Log"}
POOLING = {"AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum"}
RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Cast"}
READOUT = POOLING | RESHAPING | {"Softmax", "LogSoftmax"}
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
        count = 1
        for size in self.shape:
            if size is None:
                return None
            count *= size
        return count


def neuron_layers(graph: Graph, target: str) -> tuple[list[NeuronLayer], dict[str, str]]:
    """Return the neuron layers that `target` depends on, in order, and what was left out (name -> reason).

    An activation between which and the target there is only pooling, reshaping or softmax is the output itself.
    """
    found = dict(_activations(graph))
    roots = [t.name for t in graph.inputs]
    live = upstream(graph, [target]) & downstream(graph, roots)
    readout = _readout(graph, target)
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


def _constant_zero(node: Node) -> bool:
    constants = [t for t in node.inputs if isinstance(t, Constant)]
    return len(node.inputs) == 2 and len(constants) == 1 and not np.any(constants[0].values)


def _spelled_out(gate: Node) -> tuple[Node, str, set[str]] | None:
    """Find x * g(x) around a gate: its last node, the function's name, and the names of the nodes that spell it."""
    sources, parts = _arguments(gate)
    node: Node = gate
    for _ in range(4):
        consumers = node.outputs[0].outputs
        if len(consumers) != 1 or consumers[0].op not in ARITHMETIC:
            return None
        node = consumers[0]
        parts.add(node.name)
        others = [
            t for t in node.inputs if is_variable(t) and t.name not in {o.name for p in [node] for o in p.outputs}
        ]
        if node.op == "Mul" and sum(is_variable(t) for t in node.inputs) == 2:
            other = next((t for t in others if t.name in sources), None)
            return _with_scale(node, gate, parts) if other is not None else None
    return None


def _arguments(gate: Node) -> tuple[set[str], set[str]]:
    """Return what a gate's argument is made of by arithmetic with constants, and the nodes that do it."""
    sources, parts, todo = set(), {gate.name}, [gate.inputs[0]]
    for _ in range(24):
        if not todo:
            break
        tensor = todo.pop()
        if tensor.name in sources:
            continue
        sources.add(tensor.name)
        for consumer in tensor.outputs:
            if consumer.op in ("Mul", "Div") and sum(is_variable(t) for t in consumer.inputs) == 1:
                sources.add(consumer.outputs[0].name)
        producer = tensor.inputs[0] if tensor.inputs else None
        if producer is not None and producer.op in ARITHMETIC and len(producer.inputs) <= 2:
            parts.add(producer.name)
            todo += [t for t in producer.inputs if is_variable(t)]
    return sources, parts


def _with_scale(node: Node, gate: Node, parts: set[str]) -> tuple[Node, str, set[str]]:
    consumers = node.outputs[0].outputs
    if len(consumers) == 1 and consumers[0].op in ("Mul", "Div") and gate.op in ("Erf", "Tanh"):
        scaled = consumers[0]
        if sum(is_variable(t) for t in scaled.inputs) == 1 and all(
            np.size(t.values) == 1 for t in scaled.inputs if isinstance(t, Constant)
        ):
            node = scaled
            parts.add(node.name)
    softplus = any(p.op == "Softplus" for t in gate.inputs for p in t.inputs)
    name = {"Sigmoid": "Swish", "HardSigmoid": "HardSwish", "Erf": "Gelu", "Tanh": "Mish" if softplus else "Gelu"}
    return node, name[gate.op], parts


def _readout(graph: Graph, target: str) -> set[str]:
    """Tensors from which only readout operators lead to the target."""
    reached = {target}
    for node in reversed(graph.nodes):
        if node.op in READOUT and any(t.name in reached for t in node.outputs):
            reached.add(node.inputs[0].name)
    return reached


def _layer(tensor: Tensor, op: str) -> NeuronLayer:
    node = tensor.inputs[0]
    low, high = _bounds(node) if op == "Clip" else (0.0, None)
    shape = tuple(d if isinstance(d, int) else None for d in (tensor.shape or [None])[1:])
    zero = op in RELU_FAMILY and low == 0.0
    return NeuronLayer(tensor.name, op, shape, zero, high, _channel_axis(tensor, len(shape) + 1))


def _bounds(clip: Node) -> tuple[float | None, float | None]:
    bounds = [t for t in clip.inputs[1:]] + [None, None]
    low, high = (float(t.values) if isinstance(t, Constant) else None for t in bounds[:2])
    return low, high


CHANNELS_FIRST = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "MaxPool", "AveragePool"}
CHANNELS_LAST = {"Gemm", "MatMul", "LayerNormalization"}


def _channel_axis(tensor: Tensor, rank: int) -> int:
    """The axis that the nearest linear layer upstream writes its channels to."""
    for _ in range(8):
        node = tensor.inputs[0] if tensor.inputs else None
        if node is None or node.op in CHANNELS_FIRST:
            return min(1, rank - 1)
        if node.op in CHANNELS_LAST:
            return rank - 1
        tensor = next((t for t in node.inputs if is_variable(t)), None)
        if tensor is None:
            break
    return 1 if rank >= 4 else rank - 1
