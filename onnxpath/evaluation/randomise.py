"""Models with some of their parameters randomised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.ir import Constant, Graph, array_of, is_float
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array

PARAMETERS = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "Add": (0, 1),
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "GroupNormalization": (1, 2),
    "RNN": (1, 2, 3),
    "GRU": (1, 2, 3),
    "LSTM": (1, 2, 3),
}
"""Operator -> which of its inputs are parameters; running statistics of BatchNormalization are none."""

DRAWS: dict[str, Callable[[np.random.Generator, Array], Array]] = {
    "permute": lambda rng, w: rng.permutation(w.ravel()).reshape(w.shape),
    "redraw": lambda rng, w: np.asarray(rng.normal(w.mean(), w.std(), w.shape)),
    "normal": lambda rng, w: np.asarray(rng.normal(0, 0.1, w.shape)),
}
"""How a tensor is randomised: its entries permuted, drawn anew with its mean and deviation, or from N(0, 0.1) as in the
papers' code, which leaves nothing of a network whose BatchNormalization is folded."""


@dataclass(frozen=True)
class ParameterLayer:
    """A node with parameters: its name, and the names of the initializers."""

    name: str
    tensors: tuple[str, ...]


def parameter_layers(graph: Graph) -> list[ParameterLayer]:
    """Return the nodes with parameters from the output to the input; each tensor belongs to the last that reads it.

    Raises ModelError where there are none.
    """
    layers, taken = [], set()
    for node in reversed(graph.nodes):
        found = []
        for place in PARAMETERS.get(node.op, ()):
            tensor = node.inputs[place] if place < len(node.inputs) else None
            if isinstance(tensor, Constant) and is_float(tensor) and array_of(tensor).size > 1:
                found.append(tensor.name)
        names = tuple(name for name in dict.fromkeys(found) if name not in taken)
        taken |= set(names)
        if names:
            layers.append(ParameterLayer(node.name, names))
    if not layers:
        raise ModelError("no node of the model has float parameters to randomise (" + ", ".join(PARAMETERS) + ")")
    return layers


def randomised(model: Model, layers: Sequence[ParameterLayer], how: str, seed: int) -> Model:
    """Return the model with the parameters of some layers randomised.

    how: a key of DRAWS; seed: what a tensor becomes depends on it and on the tensor's name alone, so that cascading
    and independent randomisation, and all rows, see one sequence of random networks. Raises UnknownName.
    """
    if how not in DRAWS:
        raise unknown("randomisation", [how], DRAWS)
    graph = model.graph.copy()
    tensors = graph.tensors()
    for name in (name for layer in layers for name in layer.tensors):
        tensor = tensors[name]
        values = array_of(tensor)
        drawn = DRAWS[how](np.random.default_rng([seed, crc32(name.encode())]), values)
        tensor.values = drawn.astype(values.dtype)
    return model.derived(graph=graph, path=None)
