"""The emitter: the only way to make nodes. `op.Mul(a, b)` returns a tensor that knows its dtype and shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper
from onnx.shape_inference import InferenceError, infer_node_outputs
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter

from onnxpath.errors import ShapeError, UnsupportedOperator
from onnxpath.graph.infer import dims_of, dtype_of
from onnxpath.graph.ir import (
    IR_VERSION,
    Constant,
    Graph,
    Node,
    Tensor,
    Variable,
    numpy_dtype,
    onnx_dtype,
    static_shape,
)
from onnxpath.graph.nesting import Nesting
from onnxpath.graph.schema import schema_of

Array = np.ndarray[Any, Any]

SHARED_LIMIT = 4096
"""Bytes up to which equal constants are looked for."""


class Emitter(Nesting):
    """Makes nodes in a graph, named after what they serve.

    graph: where the nodes go; provider: the execution provider that lowerings are spelled for ("cpu" | "cuda").
    Equal constants and equal nodes are made once. Python scalars become constants of the dtype that the operator's
    schema asks for, lists become int64.
    """

    def __init__(self, graph: Graph, provider: str = "cpu") -> None:
        self.graph = graph
        self.provider = provider
        self._names = graph.names()
        self._next: dict[str, int] = {}
        self._made: dict[tuple[Any, ...], list[Tensor]] = {}
        self._constants: dict[tuple[Any, ...], Constant] = {}
        self._emitted: set[str] = set()
        self._origin, self._role = "", ""
        self.wanted: list[bool] = []
        self.given: list[bool] = []
        self.walk: Callable[..., dict[str, Tensor]] = _no_walk

    def wants(self, index: int) -> bool:
        """True where the gradient of input `index` of the node being walked is asked for."""
        return index < len(self.wanted) and self.wanted[index]

    @contextmanager
    def only(self, index: int) -> Iterator[None]:
        """Ask for input `index` alone while a rule calls another rule."""
        before, self.wanted = self.wanted, [i == index for i in range(index + 1)]
        try:
            yield
        finally:
            self.wanted = before

    @property
    def role(self) -> str:
        """What the nodes being made are for, as given to `serving`."""
        return self._role

    def differentiate(self, seeds: Mapping[str, Tensor], wrt: Sequence[str]) -> dict[str, Tensor]:
        """Run the walk that calls the rule, on this emitter's graph: see `backward`. For operators with subgraphs."""
        return self.walk(self, seeds=seeds, wrt=wrt)

    @contextmanager
    def serving(self, origin: str, role: str) -> Iterator[Emitter]:
        """Name the nodes made inside `<origin>/<role>/<Op>` and tag them with both."""
        before = self._origin, self._role
        self._origin, self._role = origin, role
        try:
            yield self
        finally:
            self._origin, self._role = before

    def __getattr__(self, op_type: str) -> Callable[..., Any]:
        if not op_type[0].isupper():
            raise AttributeError(op_type)

        def make(*inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
            made = self._emit(op_type, inputs, outputs, attributes)
            return made[0] if outputs == 1 else tuple(made)

        return make

    def Pad(self, data: Tensor, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Tensor:
        """Make a Pad without `axes`: ONNX Runtime's transpose optimizer moves a Transpose over it and forgets them."""
        known = axes.values.tolist() if isinstance(axes, Constant) else axes
        if known is not None and not isinstance(known, Variable) and data.shape is not None:
            size, count = len(data.shape), len(known)
            places = np.zeros(2 * size, np.int64)
            for i, axis in enumerate(known):
                places[[axis % size, size + axis % size]] = i + 1, count + i + 1
            listed = pads.values if isinstance(pads, Constant) else pads
            if isinstance(listed, Variable):
                pads = self.Gather(self.Concat([0], listed, axis=0), places)
            else:
                pads = np.concatenate([[0], listed]).astype(np.int64)[places]
            axes = None
        return self._emit("Pad", (data, pads, value, axes), 1, {"mode": mode if mode != "constant" else None})[0]

    def const(self, value: Any, dtype: Any = None) -> Constant:
        """Return a constant; lists and ints are int64 unless a dtype is given."""
        array = np.asarray(value, dtype)
        key: tuple[Any, ...] = (array.dtype.str, array.dtype.name, array.shape, array.tobytes())
        if array.nbytes > SHARED_LIMIT:
            key = (id(array), len(self._constants))
        if key not in self._constants:
            self._constants[key] = Constant(self.name("const", array.dtype.name), array)
        return self._constants[key]

    def like(self, value: float | Array, x: Tensor) -> Constant:
        """Return a constant of the dtype of `x`."""
        return self.const(value, numpy_dtype(x))

    def shape_of(self, x: Tensor) -> Tensor:
        """Return the shape of `x` as int64: a constant where it is known, else computed."""
        known = static_shape(x)
        return self.const(known, np.int64) if known is not None else self.Shape(x)

    def size_along(self, x: Tensor, axis: int) -> Tensor:
        """Return the size of an axis, at least 0, as an int64 scalar: a constant where it is known, else computed."""
        known = x.shape[axis] if x.shape is not None else None
        return (
            self.const(known) if isinstance(known, int) else self.Squeeze(self.Shape(x, start=axis, end=axis + 1), [0])
        )

    def places(self, x: Tensor, axis: int) -> Any:
        """Return the places along an axis, 0, 1, ..., as int64."""
        return self.Range(self.const(0), self.size_along(x, axis), self.const(1))

    def zeros_like(self, x: Tensor) -> Any:
        """Return zeros of the dtype and shape of `x`."""
        return self.Expand(self.like(0, x), self.shape_of(x))

    def reshape_like(self, x: Tensor, target: Tensor) -> Tensor:
        """Reshape `x` to the shape of `target`; one unknown size needs no computation."""
        if x.shape is not None and target.shape is not None and list(x.shape) == list(target.shape) and static_shape(x):
            return x
        dims = list(target.shape) if target.shape is not None else [None, None]
        unknown = [i for i, d in enumerate(dims) if not isinstance(d, int)]
        if len(unknown) == 1 and 0 not in dims:
            made: Tensor = self.Reshape(x, [d if isinstance(d, int) else -1 for d in dims])
        else:
            made = self.Reshape(x, self.shape_of(target), allowzero=1)
        if target.shape is not None:
            made.shape = list(target.shape)
        return made

    def made(self, tensor: Tensor) -> bool:
        """True for a tensor that this emitter has computed."""
        return bool(tensor.inputs) and tensor.inputs[0].name in self._emitted

    def stand_in(self, x: Tensor) -> Tensor:
        """Return a tensor equal to `x` under a name of its own, which nothing else reads."""
        return self._emit("Identity", (x,), 1, {}, share=False)[0]

    def inside(self, body: gs.Graph | None = None) -> Emitter:
        """Return an emitter for a subgraph, default a new one; it shares this one's names and constants.

        What it makes may read what this graph makes.
        """
        if body is None:
            body = gs.Graph(name=self.name(self._origin, self._role, "body"), opset=self.graph.opset)
        inner = Emitter(Graph(body, self.graph.node_metadata), self.provider)
        inner._names, inner._next, inner._constants = self._names, self._next, self._constants
        inner._origin, inner._role, inner.walk = self._origin, self._role, self.walk
        return inner

    def sum(self, parts: Sequence[Tensor]) -> Tensor:
        """Add up tensors of one shape."""
        return parts[0] if len(parts) == 1 else self.Sum(*parts)

    def add_input(self, name: str, dtype: Any, shape: Sequence[int | str | None]) -> Variable:
        """Add a graph input of that name."""
        tensor = Variable(name, dtype, list(shape))
        self._names.add(name)
        self.graph.inputs.append(tensor)
        return tensor

    def add_output(self, tensor: Tensor, name: str) -> Tensor:
        """Make `tensor` a graph output of that name (a computed tensor is renamed, any other is copied)."""
        taken = {t.name for t in (*self.graph.outputs, *self.graph.inputs)}
        if not self.made(tensor) or tensor.name in taken:
            tensor = self._emit("Identity", (tensor,), 1, {}, share=False)[0]
        self._names.add(name)
        tensor.name = name
        self.graph.outputs.append(tensor)
        return tensor

    def name(self, *parts: str) -> str:
        """Return a name made of parts that nothing in the graph has yet."""
        base = "/".join(p for p in parts if p)
        name = base
        while name in self._names:
            self._next[base] = self._next.get(base, 0) + 1
            name = f"{base}_{self._next[base]}"
        self._names.add(name)
        return name

    def _emit(
        self, op_type: str, inputs: Sequence[Any], count: int, attributes: dict[str, Any], share: bool = True
    ) -> list[Tensor]:
        schema = schema_of(op_type, self.graph.opset)
        attributes = {k: v for k, v in attributes.items() if v is not None}
        if wrong := set(attributes) - set(schema.attributes):
            raise TypeError(f"{op_type} (opset {self.graph.opset}) has no attribute {sorted(wrong)}")
        tensors = self._as_tensors(schema, inputs)
        key = (op_type, count, tuple(t.name for t in tensors), _frozen(attributes))
        if share and key in self._made:
            return self._made[key]
        name = self.name(self._origin, self._role, op_type)
        outputs = [Variable(self.name(f"{name}:{i}" if i else f"{name}:out")) for i in range(count)]
        node = Node(op_type, name, attributes, tensors, outputs)
        self.infer(node)
        self._add(node)
        self._made[key] = outputs
        return outputs

    def _add(self, node: Node) -> None:
        self.graph.nodes.append(node)
        self._emitted.add(node.name)
        if self._role:
            self.graph.node_metadata[node.name] = {"onnxpath.role": self._role, "onnxpath.origin": self._origin}

    def _as_tensors(self, schema: onnx.defs.OpSchema, inputs: Sequence[Any]) -> list[Tensor]:
        formal = [schema.inputs[min(i, len(schema.inputs) - 1)].type_str for i in range(len(inputs))]
        dtypes = {
            f: numpy_dtype(t)
            for f, t in zip(formal, inputs, strict=True)
            if isinstance(t, Tensor) and t.name and t.dtype is not None
        }
        made = []
        for kind, value in zip(formal, inputs, strict=True):
            if value is None:
                made.append(Variable.empty())
            elif isinstance(value, Tensor):
                made.append(value)
            else:
                made.append(self.const(value, getattr(value, "dtype", None) or dtypes.get(kind, np.int64)))
        while made and not made[-1].name:
            made.pop()
        return made

    def infer(self, node: Node) -> None:
        """Set dtype and shape of what an ai.onnx node makes, from its inputs; ShapeError where these do not fit."""
        present = [t for t in node.inputs if t.name]
        types = {t.name: helper.make_tensor_type_proto(onnx_dtype(t), t.shape) for t in present}
        data = {
            t.name: OnnxExporter.export_tensor_proto(t)
            for t in present
            if isinstance(t, Constant) and t._values.nbytes <= 512
        }
        proto = OnnxExporter.export_node(node)
        try:
            inferred = infer_node_outputs(
                schema_of(node.op, self.graph.opset),
                proto,
                types,
                data,
                opset_imports=[helper.make_opsetid("", self.graph.opset)],
                ir_version=IR_VERSION,
            )
        except InferenceError as error:
            shapes = ", ".join(f"{t.name}: {t.shape}" for t in present)
            raise ShapeError(f"node '{node.name}' ({node.op}) cannot be made from ({shapes}): {error}") from error
        except onnx.checker.ValidationError as error:
            dtypes = ", ".join(str(numpy_dtype(t)) if onnx_dtype(t) else "an unknown dtype" for t in present)
            raise UnsupportedOperator(
                f"node '{node.name}' cannot be made: {node.op} at opset {self.graph.opset} does not take {dtypes}; "
                "convert the model to float32 or float16, or export it at a newer opset"
            ) from error
        except ValueError as error:
            unclear = ", ".join(f"'{t.name}'" for t in present if not onnx_dtype(t))
            raise ShapeError(
                f"node '{node.name}' ({node.op}) cannot be made from {unclear or 'its inputs'}, of unknown dtype "
                f"({error}); where shapes in a model contradict each other, nothing behind them can be inferred"
            ) from error
        for tensor in node.outputs:
            kind = inferred.get(tensor.name)
            if kind is not None and kind.HasField("tensor_type"):
                tensor.dtype = dtype_of(kind.tensor_type.elem_type)
                if kind.tensor_type.HasField("shape"):
                    tensor.shape = dims_of(kind.tensor_type)


def _no_walk(*args: Any, **kwargs: Any) -> dict[str, Tensor]:
    raise RuntimeError("`op.differentiate` is there for rules, while the walk runs")


def _frozen(attributes: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted((k, tuple(v) if isinstance(v, (list, tuple)) else v) for k, v in attributes.items()))
