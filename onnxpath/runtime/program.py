"""What a session opens: a graph, and its large weights in the memory that the model and all its programs share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort

from onnxpath.graph.ir import LARGE, Constant, Graph, onnx_dtype

Array: TypeAlias = np.ndarray[Any, Any]

SHARED = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64})
"""Dtypes whose arrays ONNX Runtime reads where they are."""

PACKED = 1 << 28
"""Bytes of dense layers' weights above which they are not packed for the kernels, one more copy for each use."""


@dataclass(frozen=True)
class Program:
    """A model; weights: the arrays of those initializers that it holds no values of, by name."""

    model: onnx.ModelProto
    weights: dict[str, Array] = field(default_factory=dict)

    def lend(self, options: ort.SessionOptions) -> list[ort.OrtValue]:
        """Let a session read the weights where they are; the values returned must live as long as the session.

        VGG-11 with its input gradient, whose weights take 507 MiB, holds 1578 MiB instead of 2104, and 659 where its
        dense layers are not packed either, which takes 4 % longer.
        """
        values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array)) for array in self.weights.values()]
        if values:
            # The first gives them to the optimizer, the second to the kernels, which else would read a copy.
            options.add_external_initializers(list(self.weights), values)
            for name, value in zip(self.weights, values, strict=True):
                options.add_initializer(name, value)
        if sum(array.nbytes for array in self.weights.values() if array.ndim == 2) > PACKED:
            options.add_session_config_entry("session.disable_prepacking", "1")
        return values


def as_program(graph: Graph, provider: str) -> Program:
    """Return the program of a graph, which shares the graph's weights on the CPU."""
    large = [t for t in graph.tensors_of_all_scopes().values() if isinstance(t, Constant) and t._values.nbytes > LARGE]
    if provider != "cpu" or graph.initializer_inputs or any(onnx_dtype(t) not in SHARED for t in large):
        return Program(graph.to_model())
    return Program(graph.to_model(weights=False), {t.name: t.values for t in large})


def hold_weights(graph: Graph) -> None:
    """Read the large weights of a graph once, so that every copy of it shares the arrays."""
    for tensor in graph.tensors_of_all_scopes().values():
        if isinstance(tensor, Constant) and tensor._values.nbytes > LARGE and onnx_dtype(tensor) in SHARED:
            # onnx-graphsurgeon puts the array in the place of the file's bytes.
            _ = tensor.values
