"""Named passes that bring any model into the one form that the rest of onnxpath works on."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, helper, version_converter
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter
from onnx_graphsurgeon.ir.tensor import LazyValues

from onnxpath.errors import ModelError, UnsupportedOperator
from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import LARGE, Constant, Graph, Node, Variable, placeholder, static_shape, subgraphs
from onnxpath.graph.load import read_model

OLDEST_OPSET = 7
WORKING_OPSET = 21
NEWEST_OPSET = 26
FOLD_LIMIT = 2**16
"""Elements above which a constant is left to the runtime to fold, so that weights are never stored twice."""

WINDOWED = frozenset({"Conv", "MaxPool", "AveragePool", "LpPool"})
RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"})


def load_graph(source: Any, keep: Collection[str] = ()) -> Graph:
    """Load a model and canonize it: working opset, functions inlined, constants lifted and folded, pads explicit.

    source: path, bytes or ModelProto; keep: initializers that folding must leave in place.
    Raises ModelError, UnsupportedOperator (unknown operators, all listed).
    """
    model = read_model(source)
    if model.functions:
        model = inline_local_functions(model)
    graph = import_model(model)
    lift_constants(graph)
    fold_constants(graph, {*keep, *graph.initializer_inputs})
    make_pads_explicit(graph)
    graph.cleanup()
    infer_shapes(graph)
    return graph


def import_model(model: onnx.ModelProto) -> Graph:
    """Convert to the working opset and import; weights are held back from the converter."""
    _check_opset(model)
    _check_operators(model)
    weights = _hold_weights(model)
    metadata = {p.key: p.value for p in model.metadata_props}
    opset, ir_version = _opset(model), model.ir_version
    if opset < WORKING_OPSET:
        try:
            model = version_converter.convert_version(model, WORKING_OPSET)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the model cannot be converted from opset {opset} to {WORKING_OPSET}: {error}; export it at a newer opset"
            ) from error
    _name_nodes(model.graph)
    body = gs.import_onnx(model)
    held = {name for name in body.tensors() if name in weights}
    for name, tensor in body.tensors().items():
        if name in held:
            tensor._values, tensor.data_location = LazyValues(weights[name]), None
    initializers = {t.name for t in model.graph.initializer}
    graph = Graph(
        body,
        {n.name: {p.key: p.value for p in n.metadata_props} for n in model.graph.node if n.metadata_props},
        metadata,
        [v.name for v in model.graph.input if v.name in initializers],
        ir_version=ir_version,
        file_opset=opset,
        producer=" ".join(p for p in (model.producer_name, model.producer_version) if p),
    )
    body.inputs = [t for t in body.inputs if t.name not in initializers]
    infer_shapes(graph)
    return graph


def _opset(model: onnx.ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), WORKING_OPSET)


def _check_opset(model: onnx.ModelProto) -> None:
    opset = _opset(model)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise ModelError(
            f"the model uses opset {opset}; onnxpath reads {OLDEST_OPSET} to {NEWEST_OPSET}, "
            "what ONNX Runtime runs; export it at an opset in that range"
        )


def _check_operators(model: onnx.ModelProto) -> None:
    opset = _opset(model)
    versions = {o.domain: o.version for o in model.opset_import} | {"": opset}
    missing: dict[str, list[str]] = {}
    for node in model.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if not (domain in versions and onnx.defs.has(node.op_type, versions[domain], domain)):
            missing.setdefault(f"{node.domain or 'ai.onnx'}::{node.op_type}", []).append(node.name or node.output[0])
    if missing:
        lines = [
            f"  {op} (opset {versions.get(op.split('::')[0].replace('ai.onnx', ''), '?')}): node '{nodes[0]}'"
            + (f" and {len(nodes) - 1} more" if len(nodes) > 1 else "")
            for op, nodes in missing.items()
        ]
        raise UnsupportedOperator(
            f"the model uses {len(missing)} operator{'s' * (len(missing) > 1)} that standard ONNX does not define:\n"
            + "\n".join(lines)
            + "\nexport the model to standard ai.onnx operators; "
            "if ONNX Runtime optimised this file, optimise it at BASIC or use the original"
        )


def _hold_weights(model: onnx.ModelProto) -> dict[str, TensorProto]:
    held = {}
    for index, tensor in enumerate(model.graph.initializer):
        if tensor.ByteSize() > LARGE:
            held[tensor.name] = TensorProto.FromString(tensor.SerializeToString())
            model.graph.initializer[index].CopyFrom(placeholder(tensor.name, LazyValues(tensor)))
    return held


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken = {n.name for n in graph.node}
    seen: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            name = node.name or f"{node.op_type}_{index}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
        seen.add(node.name)


def lift_constants(graph: Graph) -> None:
    """Turn every Constant node into a constant tensor."""
    for node in list(graph.nodes):
        if node.op == "Constant" and (value := constant_value(node)) is not None:
            _become_constant(node, [value])


def constant_value(node: Node) -> np.ndarray[Any, Any] | None:
    """Return the array of a Constant node, None for sparse and string values."""
    (key, value), *_ = node.attrs.items()
    if key == "value":
        return value.values  # type: ignore[no-any-return]
    dtype = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}.get(key)
    return None if dtype is None else np.asarray(value, dtype)


def _become_constant(node: Node, values: list[np.ndarray[Any, Any]]) -> None:
    outputs = list(node.outputs)
    node.inputs.clear()
    node.outputs.clear()
    for tensor, value in zip(outputs, values, strict=True):
        tensor.to_constant(np.asarray(value))
        tensor.data_location = None


def fold_constants(graph: Graph, keep: Collection[str] = ()) -> None:
    """Compute every small node whose inputs are constants, and every Shape that is known, without a runtime.

    keep: constants that count as variable, because a gradient is asked for them or a user may feed them.
    """
    graph.body.toposort()
    outputs = {t.name for t in graph.outputs}
    for node in list(graph.nodes):
        if node.op in RANDOM or any(t.name in outputs for t in node.outputs) or any(True for _ in subgraphs(node)):
            continue
        values = _known_shape(node) or _known_element(node) or _evaluate(graph, node, keep)
        if values is not None:
            _become_constant(node, values)
    graph.cleanup()


def _known_shape(node: Node) -> list[np.ndarray[Any, Any]] | None:
    shape = static_shape(node.inputs[0]) if node.op in ("Shape", "Size") and node.inputs else None
    if shape is None:
        return None
    if node.op == "Size":
        return [np.asarray(math.prod(shape), np.int64)]
    return [np.asarray(shape[node.attrs.get("start", 0) : node.attrs.get("end")], np.int64)]


def _known_element(node: Node) -> list[np.ndarray[Any, Any]] | None:
    """The element that a Gather or Slice takes from a Shape, where that one size is known though others are not."""
    source = node.inputs[0].inputs[0] if node.op in ("Gather", "Slice") and node.inputs[0].inputs else None
    if source is None or source.op != "Shape" or source.inputs[0].shape is None:
        return None
    if not all(isinstance(t, Constant) for t in node.inputs[1:]):
        return None
    shape = source.inputs[0].shape[source.attrs.get("start", 0) : source.attrs.get("end")]
    places: Any = np.arange(len(shape))
    arguments = [t.values for t in node.inputs[1:]]
    if node.op == "Gather":
        taken = places[arguments[0]]
    else:
        start, end = int(arguments[0][0]), int(arguments[1][0])
        taken = places[start : end : int(arguments[3][0]) if len(arguments) > 3 else 1]
    sizes = [shape[i] for i in np.ravel(taken)]
    if not all(isinstance(size, int) for size in sizes):
        return None
    return [np.asarray(sizes, np.int64).reshape(np.shape(taken))]


def _evaluate(graph: Graph, node: Node, keep: Collection[str]) -> list[np.ndarray[Any, Any]] | None:
    inputs = [t for t in node.inputs if t.name]
    if not inputs or not all(isinstance(t, Constant) and t.name not in keep for t in inputs):
        return None
    if any(math.prod(t.shape) > FOLD_LIMIT for t in inputs) or any(_too_large(t) for t in node.outputs):
        return None
    proto = OnnxExporter.export_node(node)
    model = helper.make_model(
        helper.make_graph(
            [proto],
            node.name,
            [helper.make_tensor_value_info(t.name, 0, None) for t in {t.name: t for t in inputs}.values()],
            [helper.make_tensor_value_info(t.name, 0, None) for t in node.outputs if t.name],
        ),
        opset_imports=[helper.make_opsetid("", graph.opset)],
    )
    try:
        values = ReferenceEvaluator(model).run(None, {t.name: t.values for t in inputs})
    except Exception:
        # The reference evaluator lacks some operators and dtypes; the runtime folds those itself.
        return None
    if len(values) != len(node.outputs) or any(not isinstance(v, (np.ndarray, np.generic)) for v in values):
        return None
    return [np.asarray(v) for v in values] if all(np.size(v) <= FOLD_LIMIT for v in values) else None


def _too_large(tensor: Variable) -> bool:
    shape = static_shape(tensor)
    return shape is not None and math.prod(shape) > FOLD_LIMIT


def make_pads_explicit(graph: Graph) -> None:
    """Replace `auto_pad` of Conv and pooling by pads."""
    for node in list(graph.nodes):
        mode = node.attrs.pop("auto_pad", "NOTSET") if node.op in WINDOWED else "NOTSET"
        if mode in ("NOTSET", ""):
            continue
        kernel = node.attrs.get("kernel_shape") or list(node.inputs[1].shape[2:])
        node.attrs["kernel_shape"] = kernel
        node.attrs["pads"] = [0] * 2 * len(kernel)
        if mode != "VALID":
            node.attrs["pads"] = _same_pads(node, kernel, mode == "SAME_UPPER")


def _same_pads(node: Node, kernel: list[int], upper: bool) -> list[int]:
    sizes = node.inputs[0].shape[2:] if node.inputs[0].shape is not None else [None] * len(kernel)
    strides = node.attrs.get("strides") or [1] * len(kernel)
    dilations = node.attrs.get("dilations") or [1] * len(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    begin, end = [], []
    for size, stride, extent in zip(sizes, strides, reach, strict=True):
        if not isinstance(size, int) and stride != 1:
            raise UnsupportedOperator(
                f"node '{node.name}' ({node.op}) has auto_pad with stride {stride} over a size that is known only at run "
                "time, so its padding cannot be written down; export the model with explicit pads or a fixed size"
            )
        total = extent - 1 if stride == 1 else max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if upper else large)
        end.append(large if upper else small)
    return begin + end


def fold_batch_normalization(graph: Graph, keep: Collection[str] = ()) -> int:
    """Fold each BatchNormalization into the Conv before it; returns how many were folded.

    keep: names of initializers that a gradient is asked for; what reads them is left alone.
    """
    folded = 0
    for node in list(graph.nodes):
        conv = _foldable_conv(graph, node, keep)
        if conv is None:
            continue
        scale, bias, mean, var = (np.asarray(t.values, np.float64) for t in node.inputs[1:5])
        weight = conv.inputs[1]
        factor = scale / np.sqrt(var + node.attrs.get("epsilon", 1e-5))
        old = np.asarray(conv.inputs[2].values, np.float64) if len(conv.inputs) > 2 else 0.0
        dtype = weight.dtype
        shape = (-1,) + (1,) * (len(weight.shape) - 1)
        new = [weight.values * factor.reshape(shape), bias + (old - mean) * factor]
        names = [f"{weight.name}/folded", f"{node.name}/folded_bias"]
        conv.inputs = [conv.inputs[0], *(Constant(n, v.astype(dtype)) for n, v in zip(names, new, strict=True))]
        output = node.outputs[0]
        node.outputs.clear()
        conv.outputs = [output]
        folded += 1
    graph.cleanup()
    return folded


def _foldable_conv(graph: Graph, node: Node, keep: Collection[str]) -> Node | None:
    if node.op != "BatchNormalization" or len(node.outputs) != 1 or node.attrs.get("training_mode", 0):
        return None
    source = node.inputs[0]
    conv = source.inputs[0] if source.inputs else None
    if conv is None or conv.op != "Conv" or len(source.outputs) != 1 or source.name in {t.name for t in graph.outputs}:
        return None
    constants = [*node.inputs[1:5], *conv.inputs[1:]]
    free = all(isinstance(t, Constant) and t.name not in keep for t in constants)
    return conv if free and len({t.name for t in conv.inputs[1:]}) == len(conv.inputs) - 1 else None
