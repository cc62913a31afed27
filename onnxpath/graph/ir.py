"""The graph that everything works on: onnx-graphsurgeon's, with what it drops kept beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, helper

# Re-exported, so that the rest of onnxpath does not depend on where they come from.
from onnx_graphsurgeon import Constant as Constant
from onnx_graphsurgeon import Node as Node
from onnx_graphsurgeon import Tensor as Tensor
from onnx_graphsurgeon import Variable as Variable
from onnx_graphsurgeon.ir.tensor import LazyValues
from onnx_graphsurgeon.logger import G_LOGGER

from onnxpath.errors import ShapeError, unknown

# Its warnings go to standard output, which belongs to results.
G_LOGGER.severity = G_LOGGER.CRITICAL

IR_VERSION = 10
"""Written into every model that onnxpath makes; the lowest that carries opset 21 and bfloat16."""

LARGE = 1024
"""Bytes above which an initializer stays out of shape inference and version conversion."""


@dataclass
class Graph:
    """A canonized ONNX graph.

    body: onnx-graphsurgeon's graph; node_metadata, model_metadata: `metadata_props`, which it would drop;
    initializer_inputs: initializers that the file lists as inputs too (IR 3); notes: what canonization did that a
    user should know; producer, ir_version, file_opset: as written in the file.
    """

    body: gs.Graph
    node_metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    model_metadata: dict[str, str] = field(default_factory=dict)
    initializer_inputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    producer: str = ""
    ir_version: int = 0
    file_opset: int = 0

    @property
    def nodes(self) -> list[Node]:
        return self.body.nodes  # type: ignore[no-any-return]

    @property
    def inputs(self) -> list[Variable]:
        return self.body.inputs  # type: ignore[no-any-return]

    @property
    def outputs(self) -> list[Tensor]:
        return self.body.outputs  # type: ignore[no-any-return]

    @property
    def opset(self) -> int:
        return int(self.body.opset)

    def tensors(self) -> dict[str, Tensor]:
        """Return every named tensor of the graph, constants included, by name."""
        return {name: tensor for name, tensor in self.body.tensors().items() if name}

    def tensor(self, name: str) -> Tensor:
        """Return one tensor by name; UnknownName otherwise."""
        tensors = self.tensors()
        if name not in tensors:
            raise unknown("tensor", [name], tensors, "`onnxpath inspect MODEL` lists the tensors of a model")
        return tensors[name]

    def copy(self) -> Graph:
        """Return a copy that shares the weights and nothing else."""
        return Graph(
            copy_body(self.body),
            {name: dict(props) for name, props in self.node_metadata.items()},
            dict(self.model_metadata),
            list(self.initializer_inputs),
            list(self.notes),
            self.producer,
            self.ir_version,
            self.file_opset,
        )

    def cleanup(self) -> None:
        """Drop every node and constant that no output needs; inputs stay."""
        self.body.cleanup(remove_unused_graph_inputs=False, recurse_subgraphs=False).toposort()

    def to_model(self, *, weights: bool = True) -> onnx.ModelProto:
        """Return the graph as a ModelProto.

        weights: False replaces each initializer above `LARGE` bytes by a placeholder with its dtype and shape.
        """
        constants = [t for t in self.body.tensors().values() if isinstance(t, Constant)] if not weights else []
        held = [(t, t._values) for t in constants if t._values.nbytes > LARGE]
        try:
            for tensor, values in held:
                tensor._values = LazyValues(placeholder(tensor.name, values))
            model: onnx.ModelProto = gs.export_onnx(self.body, do_type_check=False)
        finally:
            for tensor, values in held:
                tensor._values = values
        self._restore(model)
        return model

    def _restore(self, model: onnx.ModelProto) -> None:
        model.ir_version = IR_VERSION
        model.producer_name = "onnxpath"
        helper.set_model_props(model, self.model_metadata)
        for node in model.graph.node:
            for key, value in self.node_metadata.get(node.name, {}).items():
                node.metadata_props.add(key=key, value=value)
        tensors = self.tensors()
        listed = {value.name for value in model.graph.input}
        for name in self.initializer_inputs:
            if name in tensors and name not in listed:
                tensor = tensors[name]
                model.graph.input.append(
                    helper.make_tensor_value_info(name, onnx_dtype(tensor), [int(d) for d in tensor.shape])
                )


def copy_body(body: gs.Graph) -> gs.Graph:
    """Copy nodes, tensors and lists of a graph; weights are shared (gs.Graph.copy costs three times as much)."""
    made: dict[str, Tensor] = {}

    def tensor(old: Tensor) -> Tensor:
        if not old.name:
            return Variable.empty()
        if old.name not in made:
            new = old.copy()
            if isinstance(new, Variable):
                new.type = old.type
            made[old.name] = new
        return made[old.name]

    nodes = [
        Node(
            n.op, n.name, dict(n.attrs), [tensor(t) for t in n.inputs], [tensor(t) for t in n.outputs], domain=n.domain
        )
        for n in body.nodes
    ]
    return gs.Graph(
        nodes=nodes,
        inputs=[tensor(t) for t in body.inputs],
        outputs=[tensor(t) for t in body.outputs],
        name=body.name,
        doc_string=body.doc_string,
        opset=body.opset,
        import_domains=list(body.import_domains) if body.import_domains is not None else None,
        producer_name=body.producer_name,
        producer_version=body.producer_version,
    )


def placeholder(name: str, values: Any) -> TensorProto:
    """Return a TensorProto with the dtype and shape of `values` (array or lazy values) and no data."""
    dtype = values.dtype if isinstance(values.dtype, int) else helper.np_dtype_to_tensor_dtype(np.dtype(values.dtype))
    proto = TensorProto(name=name, data_type=dtype, dims=list(values.shape), data_location=TensorProto.EXTERNAL)
    proto.external_data.add(key="location", value="held in memory")
    return proto


def is_variable(tensor: Tensor | None) -> bool:
    """True for a tensor that is computed or fed, False for a constant or an omitted one."""
    return isinstance(tensor, Variable) and bool(tensor.name)


def onnx_dtype(tensor: Tensor) -> int:
    """Return the TensorProto.DataType of a tensor, 0 where it is unknown."""
    if tensor.dtype is None:
        return 0
    if isinstance(tensor.dtype, int):
        return tensor.dtype
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)))


def numpy_dtype(tensor: Tensor) -> np.dtype[Any]:
    """Return the numpy dtype of a tensor (ml_dtypes' for bfloat16); ShapeError where it is unknown."""
    if tensor.dtype is None:
        raise ShapeError(f"the dtype of tensor '{tensor.name}' is unknown; run shape inference on the model first")
    return np.dtype(helper.tensor_dtype_to_np_dtype(onnx_dtype(tensor)))


FLOATS = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def is_float(tensor: Tensor) -> bool:
    """True for a float tensor; an unknown dtype counts as float, so that no gradient is lost silently."""
    return onnx_dtype(tensor) in FLOATS or tensor.dtype is None


QUANTISED = frozenset(
    {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
)
"""Operators whose first output is a float tensor in integers."""


def carries(tensor: Tensor) -> bool:
    """True for what a gradient may pass: float tensors, and integers that stand for one because they were quantised."""
    return is_float(tensor) or any(node.op in QUANTISED for node in tensor.inputs)


def rank(tensor: Tensor) -> int:
    """Return the number of axes; ShapeError where it is unknown."""
    if tensor.shape is None:
        raise ShapeError(
            f"the rank of tensor '{tensor.name}' is unknown, and its gradient needs it; "
            "export the model again with shapes, or run onnx.shape_inference on it"
        )
    return len(tensor.shape)


def static_shape(tensor: Tensor) -> list[int] | None:
    """Return the shape where every size is known, else None."""
    if tensor.shape is None or not all(isinstance(d, (int, np.integer)) for d in tensor.shape):
        return None
    return [int(d) for d in tensor.shape]


def same_dim(a: int | str | None, b: int | str | None) -> bool:
    """True where two sizes are certain to be equal: the same number, or the same symbol."""
    return a is not None and a == b


def same_shape(a: Tensor, b: Tensor) -> bool:
    """True where two tensors are certain to have the same shape."""
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return False
    return all(same_dim(p, q) for p, q in zip(a.shape, b.shape, strict=True))


def subgraphs(node: Node) -> Iterator[gs.Graph]:
    """Yield the graphs among a node's attributes (If, Loop, Scan)."""
    yield from (value for value in node.attrs.values() if isinstance(value, gs.Graph))


def captured(node: Node) -> set[str]:
    """Return the names that a node's subgraphs read from outside."""
    names: set[str] = set()
    for graph in subgraphs(node):
        made = {t.name for inner in graph.nodes for t in inner.outputs} | {t.name for t in graph.inputs}
        for inner in graph.nodes:
            names |= ({t.name for t in inner.inputs} | captured(inner)) - made
        names |= {t.name for t in graph.outputs} - made
    return names - {""}


def replace_uses(tensor: Tensor, new: Tensor) -> None:
    """Let every consumer of `tensor` read `new` instead, but for the node that makes `new`."""
    maker = new.inputs[0]
    for node in list(tensor.outputs):
        if node is not maker:
            for index, used in enumerate(node.inputs):
                if used is tensor:
                    node.inputs[index] = new
