"""One row of the operator table: a small model written as ONNX text, and the tensors that go into it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper, parser, shape_inference

CLEARANCE = 0.05  # how far values stay from a kink; finite differences move them by 1e-3


@dataclass(frozen=True)
class Tensor:
    """A tensor that a case starts from.

    shape, low, high: float values spread evenly over (low, high) in random order, so that no two are nearly equal.
    array: these values instead. initializer: stored in the model, else a graph input. wanted: ask for its gradient.
    """

    shape: tuple[int, ...] = ()
    low: float = -2.0
    high: float = 2.0
    array: np.ndarray | None = None
    initializer: bool = False
    wanted: bool = True


def real(*shape, low=-2.0, high=2.0):
    """A float input."""
    return Tensor(shape, low, high)


def positive(*shape):
    """A float input well above zero."""
    return Tensor(shape, 0.3, 2.3)


def given(values):
    """A float input with these values."""
    return Tensor(array=as_onnx(values, None))


def weight(*shape, low=-1.0, high=1.0):
    """A float initializer whose gradient is asked for."""
    return Tensor(shape, low, high, initializer=True)


def constant(values, dtype=None):
    """An initializer without a gradient; integers become int64, floats float32."""
    return Tensor(array=as_onnx(values, dtype), initializer=True, wanted=False)


def fed(values, dtype=None):
    """A graph input without a gradient: a shape, an index, a condition."""
    return Tensor(array=as_onnx(values, dtype), wanted=False)


def as_onnx(values, dtype):
    array = np.asarray(values, dtype)
    return array.astype({"f": np.float32, "i": np.int64, "b": np.bool_}[array.dtype.kind]) if dtype is None else array


@dataclass(frozen=True, eq=False)
class Case:
    """A model of one or a few nodes.

    nodes: ONNX text; the names that no node consumes are the outputs. kinks: values that float tensors keep away from.
    """

    name: str
    nodes: str
    tensors: dict[str, Tensor]
    opset: int = 21
    kinks: tuple[float, ...] = ()
    dims: tuple[str, ...] = field(default=("batch", "all"))

    @property
    def wrt(self):
        """The names whose gradient is asked for: every float input and weight."""
        return [name for name, tensor in self.tensors.items() if tensor.wanted]

    @property
    def operators(self):
        return {node.op_type for node in self._parsed()}

    @property
    def single_outputs(self):
        """True where an output is float32 whatever the input is: the statistics of LayerNormalization."""
        return any(node.op_type == "LayerNormalization" and len(node.output) > 1 for node in self._parsed())

    def rng(self, purpose):
        """A random generator that depends on nothing but the names."""
        return np.random.default_rng(zlib.crc32(f"{self.name} {purpose}".encode()))

    def values(self, name):
        """The values of one tensor; float32, exactly representable in both precisions."""
        tensor = self.tensors[name]
        if tensor.array is not None:
            return tensor.array
        rng, size = self.rng(name), int(np.prod(tensor.shape))
        gap = (tensor.high - tensor.low) / max(size, 1)
        grid = tensor.low + gap * (np.arange(size) + rng.uniform(0.3, 0.7, size))
        if gap > 0.06:  # keep tensors apart from each other: on steps of 0.02, each with an offset of its own
            grid = np.round(grid / 0.02) * 0.02 + 0.005 * list(self.tensors).index(name)
        for kink in self.kinks:
            near = np.abs(grid - kink) < CLEARANCE
            grid[near] = kink + np.where(grid[near] < kink, -1, 1) * (CLEARANCE + np.abs(grid[near] - kink))
        return rng.permutation(grid).reshape(tensor.shape).astype(np.float32)

    def feeds(self, *, lifted=False):
        """The graph inputs; with `lifted`, the differentiable initializers too."""
        return {name: self.values(name) for name, tensor in self.tensors.items() if is_input(tensor, lifted)}

    def model(self, dims="static", *, lifted=False) -> ModelProto:
        """The case as a model.

        dims: "static"; "batch": first dimensions symbolic, equal sizes sharing a symbol; "all": every dimension of
        every graph input a symbol of its own. lifted: differentiable initializers become graph inputs.
        """
        nodes = self._parsed()
        consumed = {name for node in nodes for name in node.input}
        arrays = {name: self.values(name) for name in self.tensors}
        given = [name for name, tensor in self.tensors.items() if is_input(tensor, lifted)]
        graph = helper.make_graph(
            nodes,
            "case",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(arrays[name].dtype), symbols(dims, name, arrays[name])
                )
                for name in given
            ],
            [onnx.ValueInfoProto(name=name) for node in nodes for name in node.output if name and name not in consumed],
            [numpy_helper.from_array(arrays[name], name) for name in self.tensors if name not in given],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)

    def _parsed(self):
        text = self.nodes.replace("<>", "")  # no attributes: the parser wants no brackets then
        return list(parser.parse_graph(f"case () => () {{ {text} }}").node)


def is_input(tensor, lifted):
    return not tensor.initializer or (lifted and tensor.wanted)


def symbols(dims, name, array):
    """The declared dimensions of an input. Those of integers stay: a shape's length is a rank, which must be known."""
    if dims == "static" or array.dtype.kind == "i":
        return list(array.shape)
    if dims == "all":
        return [f"{name}_{axis}" for axis in range(array.ndim)]
    return [f"n{size}" if axis == 0 and size > 1 else size for axis, size in enumerate(array.shape)]


def dims_for(attributes):
    """The symbolic forms of a window operator: SAME padding with strides depends on the size, which must be known."""
    return ("batch",) if "SAME" in attributes and "strides" in attributes else ("batch", "all")


def case(name, nodes, /, *, opset=21, kinks=(), dims=("batch", "all"), **tensors):
    """A Case with its tensors as keywords, by the names they have in the text."""
    return Case(name, nodes, tensors, opset, kinks, dims)
