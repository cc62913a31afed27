"""From a ModelProto to a Graph: checked, at the working opset, with shapes, the weights left where they are."""

from __future__ import annotations

import onnx
import onnx_graphsurgeon as gs
from onnx import TensorProto, version_converter
from onnx_graphsurgeon.ir.tensor import LazyValues

from onnxpath.errors import ModelError, UnsupportedOperator
from onnxpath.graph.expansions import EXPANSIONS
from onnxpath.graph.expansions.advice import advice
from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import LARGE, Graph, onnx_dtype, placeholder
from onnxpath.graph.newer import at_opset
from onnxpath.graph.scope import every_graph, every_node, inner_graphs, settle_scopes
from onnxpath.shown import plural

OLDEST_OPSET = 7
WORKING_OPSET = 21
NEWEST_OPSET = 26
LARGEST_VERSION = 2**31 - 1

POSITIVE = {"dilations", "group", "kernel_shape", "num_groups", "strides"}
"""Attributes that count something there must be one of; onnx's checker takes any number."""


def import_model(model: onnx.ModelProto) -> Graph:
    """Convert to the working opset and import; weights are held back from the converter."""
    _check_opset(model)
    opset, ir_version = _opset(model), model.ir_version
    if opset > NEWEST_OPSET:
        model = at_opset(model, NEWEST_OPSET)
    _name_domains(model)
    _open_negative_sizes(model)
    _check_operators(model)
    _check_nodes(model)
    _check_scans(model)
    settle_scopes(model.graph)
    weights = _hold_weights(model)
    metadata = {p.key: p.value for p in model.metadata_props}
    # The converter keeps the names of nodes and drops their metadata.
    node_metadata = {
        n.name: {p.key: p.value for p in n.metadata_props} for n in every_node(model.graph) if n.metadata_props
    }
    if opset < WORKING_OPSET:
        try:
            model = version_converter.convert_version(model, WORKING_OPSET)
        except Exception as error:  # onnx raises classes of its own, one per part of it
            raise ModelError(
                f"the model cannot be converted from opset {opset} to {WORKING_OPSET}: {error}; "
                "export it at a newer opset"
            ) from error
    settle_scopes(model.graph)
    body = gs.import_onnx(model)
    initializers = {t.name for t in model.graph.initializer}
    graph = Graph(
        body,
        node_metadata,
        metadata,
        [v.name for v in model.graph.input if v.name in initializers],
        ir_version=ir_version,
        file_opset=opset,
        producer=" ".join(p for p in (model.producer_name, model.producer_version) if p),
    )
    body.inputs = [t for t in body.inputs if t.name not in initializers]
    for name, tensor in graph.tensors_of_all_scopes().items():
        if name in weights:
            tensor._values, tensor.data_location = LazyValues(weights[name]), None
        elif not onnx_dtype(tensor):
            tensor.dtype = None  # a file may declare that a dtype is undefined
    infer_shapes(graph)
    return graph


def _opset(model: onnx.ModelProto) -> int:
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), WORKING_OPSET)


def _check_opset(model: onnx.ModelProto) -> None:
    for domain, version in _domains(model).items():
        if not 0 < version <= LARGEST_VERSION:
            raise ModelError(f"the model uses opset {version} of '{domain or 'ai.onnx'}', and there is none such")
    opset = _opset(model)
    if opset < OLDEST_OPSET:
        raise ModelError(
            f"the model uses opset {opset}; onnxpath reads {OLDEST_OPSET} and newer; export it at a newer one"
        )


def _name_domains(model: onnx.ModelProto) -> None:
    """Give com.microsoft what ONNX Runtime keeps in ai.onnx and the standard does not know."""
    for node in every_node(model.graph):
        own = node.domain in ("", "ai.onnx") and ("com.microsoft", node.op_type) in EXPANSIONS
        if own and not onnx.defs.has(node.op_type, _opset(model), ""):
            node.domain = "com.microsoft"
    if any(n.domain == "com.microsoft" for n in every_node(model.graph)) and "com.microsoft" not in _domains(model):
        model.opset_import.add(domain="com.microsoft", version=1)


def _open_negative_sizes(model: onnx.ModelProto) -> None:
    """Take a declared size below zero for an open one, as ONNX Runtime does."""
    for scope in every_graph(model.graph):
        for value in [*scope.input, *scope.output, *scope.value_info]:
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_value < 0:
                    dim.Clear()


def _domains(model: onnx.ModelProto) -> dict[str, int]:
    return {o.domain: o.version for o in model.opset_import}


def _check_operators(model: onnx.ModelProto) -> None:
    opset = _opset(model)
    versions = {o.domain: o.version for o in model.opset_import} | {"": opset}
    missing: dict[str, list[str]] = {}
    for node in every_node(model.graph):
        domain = "" if node.domain == "ai.onnx" else node.domain
        standard = domain in versions and onnx.defs.has(node.op_type, versions[domain], domain)
        if not standard and (domain, node.op_type) not in EXPANSIONS:
            missing.setdefault(f"{node.domain or 'ai.onnx'}::{node.op_type}", []).append(node.name or node.op_type)
    if missing:
        lines = [
            f"  {op} (opset {versions.get('' if op.startswith('ai.onnx::') else op.split('::')[0], '?')}): "
            f"node '{nodes[0]}'" + (f" and {len(nodes) - 1} more" if len(nodes) > 1 else "")
            for op, nodes in missing.items()
        ]
        raise UnsupportedOperator(
            f"the model uses {len(missing)} {plural('operator', len(missing))} that standard ONNX does not define:\n"
            + "\n".join(lines)
            + "\n".join(["", *(advice(missing) or ["export the model to standard ai.onnx operators"])])
        )


def _check_nodes(model: onnx.ModelProto) -> None:
    """Raise ModelError, all listed, for nodes with other inputs, outputs or attributes than their operators have."""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = min(max(model.ir_version, 3), LARGEST_VERSION)
    context.opset_imports = _domains(model) | {"": _opset(model)}
    problems = []
    for node in every_node(model.graph):
        try:
            onnx.checker.check_node(_without_graphs(node), context)
        except onnx.checker.ValidationError as error:
            problems.append(f"  node '{node.name or node.op_type}': {str(error).splitlines()[0]}")
        for attribute in node.attribute:
            if attribute.name in POSITIVE and min(attribute.ints or [attribute.i]) < 1:
                problems.append(f"  node '{node.name or node.op_type}': {attribute.name} must be at least 1")
    if problems:
        shown = problems[:10] + [f"  and {len(problems) - 10} more"] * (len(problems) > 10)
        raise ModelError("\n".join(["the model has nodes that are not as their operators demand:", *shown]))


def _without_graphs(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a node whose subgraphs are empty: each of their nodes is checked by itself."""
    if not any(True for _ in inner_graphs(node)):
        return node
    bare = onnx.NodeProto()
    bare.CopyFrom(node)
    for inner in inner_graphs(bare):
        inner.CopyFrom(onnx.GraphProto(name=inner.name or "graph"))
    return bare


def _check_scans(model: onnx.ModelProto) -> None:
    old = [n.name or n.op_type for n in every_node(model.graph) if n.op_type == "Scan" and _opset(model) < 9]
    if old:
        raise UnsupportedOperator(
            f"the model uses Scan as of opset 8 (node '{old[0]}'), which has a batch axis and sequence lengths that "
            "later versions dropped; export the model at opset 9 or newer"
        )


def _hold_weights(model: onnx.ModelProto) -> dict[str, TensorProto]:
    held = {}
    for index, tensor in enumerate(model.graph.initializer):
        if tensor.ByteSize() > LARGE:
            held[tensor.name] = TensorProto.FromString(tensor.SerializeToString())
            model.graph.initializer[index].CopyFrom(placeholder(tensor.name, LazyValues(tensor)))
    return held
