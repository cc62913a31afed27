"""Constants: lifted out of nodes, and folded without a runtime."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter

from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Constant, Graph, Node, Tensor, Variable, static_shape
from onnxpath.graph.subgraphs import detach, scopes, subgraphs

FOLD_LIMIT = 2**16
"""Elements above which a constant is left to the runtime to fold, so that weights are never stored twice."""

RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
KEPT = RANDOM | {"QuantizeLinear", "DequantizeLinear"}
"""Never folded: what draws, and what the runtime joins with the operators around it to integer kernels."""


def lift_constants(graph: Graph) -> None:
    """Turn every Constant node into a constant tensor, but for one that is the output of a subgraph."""
    made = {t.name for body in list(scopes(graph.body))[1:] for t in body.outputs}
    for node in [node for body in scopes(graph.body) for node in body.nodes]:
        if node.op == "Constant" and node.outputs[0].name not in made and (value := constant_value(node)) is not None:
            _become_constant(node, [value])


def constant_value(node: Node) -> np.ndarray[Any, Any] | None:
    """Return the array of a Constant node, None for sparse and string values."""
    (key, value), *_ = node.attrs.items()
    if key == "value":
        return value.values  # type: ignore[no-any-return]
    dtype = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}.get(
        key
    )
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
    outputs = {t.name for body in scopes(graph.body) for t in body.outputs}
    for node in [node for body in scopes(graph.body) for node in body.nodes]:
        if node.op in KEPT or any(t.name in outputs for t in node.outputs) or any(True for _ in subgraphs(node)):
            continue
        values = _known_shape(node) or _known_element(node) or _evaluate(graph, node, keep)
        if values is not None:
            _become_constant(node, values)
    graph.cleanup()


def choose_branches(graph: Graph, keep: Collection[str] = ()) -> None:
    """Put the branch that is taken in the place of every If with a constant condition; keep: as in `fold_constants`."""
    while _choose_branch(graph, keep):
        infer_shapes(graph)
        fold_constants(graph, keep)


def _choose_branch(graph: Graph, keep: Collection[str]) -> bool:
    for body in scopes(graph.body):
        for place, node in enumerate(body.nodes):
            condition = node.inputs[0] if node.op == "If" else None
            if isinstance(condition, Constant) and condition.name not in keep:
                taken = node.attrs["then_branch" if np.all(condition.values) else "else_branch"]
                outputs = list(node.outputs)
                node.outputs.clear()
                _detach_others(node, taken)
                body.nodes[place : place + 1] = [*taken.nodes, *_copies(taken.outputs, outputs)]
                return True
    return False


def _detach_others(node: Node, taken: Any) -> None:
    """Drop an If and the branch that is not taken."""
    node.attrs = {name: value for name, value in node.attrs.items() if value is not taken}
    detach(node)


def _copies(made: list[Tensor], outputs: list[Tensor]) -> list[Node]:
    pairs = [(inner, outer) for inner, outer in zip(made, outputs, strict=True) if outer.name]
    return [Node("Identity", f"{outer.name}/chosen", {}, [inner], [outer]) for inner, outer in pairs]


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
