"""What of a model is trained, and what it begins with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import onnx

from onnxpath.errors import ModelError, UnsupportedOperator
from onnxpath.graph.ir import Constant, Graph, Node, Tensor, array_of, is_float, onnx_dtype
from onnxpath.graph.query import between, upstream
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Parameter:
    """A trained tensor: its name in the canonized graph, its shape; it begins uniform within centre ± bound."""

    name: str
    shape: tuple[int, ...]
    bound: float
    centre: float = 0.0

    def begin(self, seed: int) -> Array:
        """Return first values, float32; what a tensor becomes depends on the seed and on its own name alone."""
        rng = np.random.default_rng([seed, crc32(self.name.encode())])
        return (self.centre + self.bound * rng.uniform(-1, 1, self.shape)).astype(np.float32)


@dataclass(frozen=True)
class Normalization:
    """A BatchNormalization: the node's name, and the names of its running mean and variance."""

    node: str
    mean: str
    variance: str
    channels: int

    def begin(self) -> dict[str, Array]:
        """Return the running statistics of a network that has seen nothing: 0 and 1."""
        return {self.mean: np.zeros(self.channels, np.float32), self.variance: np.ones(self.channels, np.float32)}


@dataclass(frozen=True)
class Parameters:
    """What training changes.

    trained: by gradients; normalizations: whose running statistics follow the batches; kept: names of the other float
    constants of more than one entry, which stay as they are in the file.
    """

    trained: tuple[Parameter, ...]
    normalizations: tuple[Normalization, ...]
    kept: tuple[str, ...]

    def begin(self, seed: int) -> dict[str, Array]:
        """Return the values of a network that is to be trained from scratch, by tensor name."""
        values = {p.name: p.begin(seed) for p in self.trained}
        for normalization in self.normalizations:
            values |= normalization.begin()
        return values


def find_parameters(graph: Graph, logits: str) -> Parameters:
    """Return what is to be trained on the way from the inputs to the logits.

    Weights and biases begin as in torch: uniform within ± 1/sqrt(fan-in) (He et al., 2015, with slope sqrt 5), scales
    at 1, shifts at 0, recurrent weights within ± 1/sqrt(hidden size). What several nodes read is one parameter.
    Raises ModelError where there is none; UnsupportedOperator, all nodes at once, for a BatchNormalization in training
    mode and for weights that are not float32.
    """
    path = between(graph, [t.name for t in graph.inputs], [logits])
    trained: dict[str, Parameter] = {}
    wrong: list[str] = []
    for node in path:
        for tensor, bound, centre in BEGINNINGS.get(node.op, _none)(node):
            held = _weight(tensor)
            if held is not None:
                trained.setdefault(held.name, Parameter(held.name, tuple(map(int, held.shape)), bound, centre))
                if onnx_dtype(held) != onnx.TensorProto.FLOAT:
                    wrong.append(f"{node.op} '{node.name}' has weights '{held.name}' that are not float32")
    _check(path, trained, wrong)
    found = [node for node in path if node.op == "BatchNormalization"]
    normalizations = tuple(
        Normalization(n.name, n.inputs[3].name, n.inputs[4].name, int(n.inputs[3].shape[0])) for n in found
    )
    taken = {*trained, *(name for n in normalizations for name in (n.mean, n.variance))}
    needed = upstream(graph, [logits])
    made = [node for node in graph.nodes if any(t.name in needed for t in node.outputs)]
    constants = {t.name: None for node in made for t in node.inputs if _is_weight(t) and math.prod(t.shape) > 1}
    return Parameters(tuple(trained.values()), normalizations, tuple(name for name in constants if name not in taken))


def untied(graph: Graph) -> Graph:
    """Return a copy in which no two BatchNormalizations read one tensor; a copy of it is named after the node.

    Exporters store equal tensors once, and in a network that was never trained all scales are equal.
    """
    graph = graph.copy()
    seen: set[str] = set()
    for node in (node for node in graph.nodes if node.op == "BatchNormalization"):
        for place, tensor in list(enumerate(node.inputs))[1:5]:
            if isinstance(tensor, Constant) and tensor.name in seen:
                node.inputs[place] = Constant(f"{node.name}/{tensor.name}/{place}", array_of(tensor).copy())
            seen.add(tensor.name)
    return graph


def _check(path: Sequence[Node], trained: dict[str, Parameter], wrong: list[str]) -> None:
    if not trained:
        raise ModelError("no node on the way to the output has weights to train (" + ", ".join(BEGINNINGS) + ")")
    for node in (node for node in path if node.op == "BatchNormalization"):
        if node.attrs.get("training_mode", 0):
            wrong.append(f"BatchNormalization '{node.name}' is in training mode")
        if not all(isinstance(t, Constant) for t in node.inputs[1:5]):
            wrong.append(f"BatchNormalization '{node.name}' computes its scale, shift or statistics")
    if wrong:
        raise UnsupportedOperator("the model cannot be trained: " + "; ".join(wrong) + "; export it for inference")


def _is_weight(tensor: Tensor) -> bool:
    return isinstance(tensor, Constant) and bool(tensor.name) and is_float(tensor)


STILL = {"Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"}
"""Operators that only arrange the entries of a weight: canonization leaves those of large weights to the runtime."""


def _weight(tensor: Tensor) -> Tensor | None:
    """Return the constant that a weight is arranged from, None where it is computed otherwise."""
    while tensor.inputs and tensor.inputs[0].op in STILL:
        tensor = tensor.inputs[0].inputs[0]
    return tensor if _is_weight(tensor) else None


Beginning = tuple[Tensor, float, float]
"""A tensor, its bound, its centre."""


def _none(node: Node) -> Iterator[Beginning]:
    yield from ()


def _convolution(node: Node) -> Iterator[Beginning]:
    # torch counts the second axis of a transposed convolution's weight too.
    yield from _with_bias(node.inputs[1], node.inputs[2:3], math.prod(node.inputs[1].shape[1:]))


def _gemm(node: Node) -> Iterator[Beginning]:
    weight = node.inputs[1]
    yield from _with_bias(weight, node.inputs[2:3], weight.shape[1 if node.attrs.get("transB", 0) else 0])


def _matmul(node: Node) -> Iterator[Beginning]:
    left, right = node.inputs
    if _weight(right) is not None:
        yield right, _bound(right.shape[-2] if len(right.shape) > 1 else right.shape[0]), 0.0
    elif _weight(left) is not None:
        yield left, _bound(left.shape[-1]), 0.0


def _with_bias(weight: Tensor, biases: Sequence[Tensor], fan_in: int) -> Iterator[Beginning]:
    if _weight(weight) is not None:
        for tensor in (weight, *biases):
            yield tensor, _bound(fan_in), 0.0


def _bound(fan_in: int) -> float:
    return 1 / math.sqrt(max(1, fan_in))


def _add(node: Node) -> Iterator[Beginning]:
    """A bias spelled as an addition behind a layer; any other constant that is added stays as it is."""
    for bias, other in (node.inputs, node.inputs[::-1]):
        layer = other.inputs[0] if other.inputs else None
        if layer is not None and layer.op in LAYERS and _weight(bias) is not None and math.prod(bias.shape) > 1:
            bounds = [bound for _, bound, _ in BEGINNINGS[layer.op](layer)]
            if bounds:
                yield bias, bounds[0], 0.0


def _scale_and_shift(node: Node) -> Iterator[Beginning]:
    for tensor, centre in zip(node.inputs[1:3], (1.0, 0.0), strict=False):
        yield tensor, 0.0, centre


def _slope(node: Node) -> Iterator[Beginning]:
    yield node.inputs[1], 0.0, 0.25


def _recurrent(node: Node) -> Iterator[Beginning]:
    for tensor in node.inputs[1:4]:
        yield tensor, _bound(node.inputs[2].shape[-1]), 0.0


LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")

BEGINNINGS: dict[str, Callable[[Node], Iterator[Beginning]]] = {
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "BatchNormalization": _scale_and_shift,
    "InstanceNormalization": _scale_and_shift,
    "LayerNormalization": _scale_and_shift,
    "GroupNormalization": _scale_and_shift,
    "PRelu": _slope,
    "RNN": _recurrent,
    "GRU": _recurrent,
    "LSTM": _recurrent,
}
"""Operator -> its parameters and what they begin with."""
