"""The graph that everything works on: onnx-graphsurgeon's, with what it drops kept beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

from onnxpath.errors import ShapeError, UnknownRank, unknown
from onnxpath.graph.scope import every_node, lift_initializers
from onnxpath.graph.subgraphs import captured, detach, scopes

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
        """Return every named tensor of the graph by name: constants and what subgraphs read, not what they make."""
        named = {name: tensor for name, tensor in self.body.tensors().items() if name}
        for node in self.nodes:
            named.update((name, t) for name, t in captured(node).items() if name not in named)
        return named

    def tensors_of_all_scopes(self) -> dict[str, Tensor]:
        """Return every named tensor by name, those made inside subgraphs included."""
        return {name: t for body in scopes(self.body) for name, t in body.tensors().items() if name}

    def names(self) -> set[str]:
        """Return the names of all tensors and nodes, those inside subgraphs included."""
        return {*self.tensors_of_all_scopes(), *(node.name for body in scopes(self.body) for node in body.nodes)}

    def tensor(self, name: str) -> Tensor:
        """Return one tensor by name; UnknownName otherwise."""
        return self.require([name])[name]

    def require(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return all tensors by name, as `tensors` does; UnknownName where some of `names` are not among them."""
        known = self.tensors()
        if missing := [name for name in names if name not in known]:
            raise unknown("tensor", missing, known, "`onnxpath inspect MODEL --tensors` lists the tensors of a model")
        return known

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
        """Drop every node and constant that no output needs, in subgraphs too; inputs stay."""
        for body in scopes(self.body):
            before = list(body.nodes)
            body.cleanup(remove_unused_graph_inputs=False, recurse_subgraphs=False)
            kept = {id(node) for node in body.nodes}
            for node in before:
                if id(node) not in kept:
                    detach(node)
        self.body.toposort()

    def to_model(self, *, weights: bool = True, lifted: bool = True) -> onnx.ModelProto:
        """Return the graph as a ModelProto.

        weights: False replaces each initializer above `LARGE` bytes by a placeholder with its dtype and shape; lifted:
        False leaves a copy of each constant in the subgraphs that read it, where onnx's inference looks for it.
        """
        everything = self.tensors_of_all_scopes().values() if not weights else ()
        constants = [t for t in everything if isinstance(t, Constant) and hasattr(t._values, "nbytes")]
        held = [(t, t._values) for t in constants if t._values.nbytes > LARGE]
        try:
            for tensor, values in held:
                tensor._values = LazyValues(placeholder(tensor.name, values))
            model: onnx.ModelProto = gs.export_onnx(self.body, do_type_check=False)
        finally:
            for tensor, values in held:
                tensor._values = values
        if lifted:
            lift_initializers(model.graph)
        self._restore(model)
        return model

    def _restore(self, model: onnx.ModelProto) -> None:
        model.ir_version = IR_VERSION
        model.producer_name = "onnxpath"
        self._restore_opsets(model)
        helper.set_model_props(model, self.model_metadata)
        for node in every_node(model.graph):
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

    def _restore_opsets(self, model: onnx.ModelProto) -> None:
        """Name each domain that a node is of, once: files may name some twice, and some are spelled out."""
        used = {node.domain for node in every_node(model.graph)} - {"", "ai.onnx"}
        versions = {o.domain: o.version for o in model.opset_import if o.domain in used}
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*entry) for entry in {"": self.opset, **versions}.items())


def copy_body(body: gs.Graph, kept: Mapping[str, Tensor] | None = None) -> gs.Graph:
    """Copy nodes, tensors and lists of a graph and of its subgraphs; weights are shared.

    kept: tensors by name that the copy reads as they are, because they belong to what surrounds the graph.
    (gs.Graph.copy costs three times as much.)
    """
    made: dict[str, Tensor] = dict(kept or {})

    def tensor(old: Tensor) -> Tensor:
        if not old.name:
            return Variable.empty()
        if old.name not in made:
            new = old.copy()
            if isinstance(new, Variable):
                new.type = old.type
            made[old.name] = new
        return made[old.name]

    def node(old: Node) -> Node:
        # Names are unique over all scopes, so one table of tensors serves them all.
        attrs = {key: graph(value) if isinstance(value, gs.Graph) else value for key, value in old.attrs.items()}
        inputs, outputs = ([tensor(t) for t in tensors] for tensors in (old.inputs, old.outputs))
        return Node(old.op, old.name, attrs, inputs, outputs, domain=old.domain)

    def graph(old: gs.Graph) -> gs.Graph:
        return gs.Graph(
            nodes=[node(n) for n in old.nodes],
            inputs=[tensor(t) for t in old.inputs],
            outputs=[tensor(t) for t in old.outputs],
            name=old.name,
            doc_string=old.doc_string,
            opset=old.opset,
            import_domains=list(old.import_domains) if old.import_domains is not None else None,
            producer_name=old.producer_name,
            producer_version=old.producer_version,
        )

    return graph(body)


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


def array_of(constant: Constant) -> np.ndarray[Any, Any]:
    """Return the values of a constant and leave them as lazy as they are.

    onnx-graphsurgeon writes 4-bit integers back as it read them only while nobody has asked for their values.
    """
    values: np.ndarray[Any, Any] = (
        constant._values.load() if isinstance(constant._values, LazyValues) else constant.values
    )
    return values


FLOATS = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def is_float(tensor: Tensor) -> bool:
    """True for a float tensor; an unknown dtype counts as float, so that no gradient is lost silently."""
    return onnx_dtype(tensor) in FLOATS or tensor.dtype is None


QUANTISED = frozenset(
    {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
)
"""Operators whose first output is a float tensor in integers."""

MOVING = {"Concat", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Split"}
MOVING |= {"Squeeze", "Tile", "Transpose", "Unsqueeze"}
"""Operators that quantizers leave between QuantizeLinear and DequantizeLinear: they only pick among values."""


def carries(tensor: Tensor) -> bool:
    """True for what a gradient may pass: float tensors, and integers that stand for one because they were quantised."""
    if is_float(tensor) or any(node.op in QUANTISED for node in tensor.inputs):
        return True
    moved = onnx_dtype(tensor) not in (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)
    return moved and any(node.op in MOVING and any(map(carries, node.inputs)) for node in tensor.inputs)


def rank(tensor: Tensor) -> int:
    """Return the number of axes; UnknownRank where it is unknown."""
    if tensor.shape is None:
        raise UnknownRank(
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


def replace_uses(tensor: Tensor, new: Tensor) -> None:
    """Let every consumer of `tensor` read `new` instead, but for the node that makes `new`."""
    maker = new.inputs[0] if new.inputs else None
    for node in list(tensor.outputs):
        if node is not maker:
            for index, used in enumerate(node.inputs):
                if used is tensor:
                    node.inputs[index] = new
