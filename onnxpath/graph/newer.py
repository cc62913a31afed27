"""Models of an opset newer than the runtime's: operators that came later are spelled by their function bodies."""

from __future__ import annotations

import onnx
from onnx import helper
from onnx.inliner import inline_local_functions

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.bodies import DOMAIN, body_of, has_body, write_defaults
from onnxpath.graph.scope import every_node


def at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return a model of a newer opset at an older one.

    Operators and attribute values that the older one lacks are replaced by the function body that the standard gives.
    Raises UnsupportedOperator, with all of them, where it gives none.
    """
    entry = next(o for o in model.opset_import if o.domain in ("", "ai.onnx"))
    known = onnx.defs.onnx_opset_version()
    if entry.version > known:
        raise UnsupportedOperator(
            f"the model uses opset {entry.version}, and the installed onnx package knows {known}; export it at opset "
            f"{opset} or older"
        )
    nodes = [n for n in every_node(model.graph) if n.domain in ("", "ai.onnx")]
    later = [n for n in nodes if _is_later(n, opset, known)]
    missing = sorted({n.op_type for n in later if not has_body(onnx.defs.get_schema(n.op_type, known))})
    if missing:
        raise UnsupportedOperator(
            f"the model uses opset {entry.version}, whose {', '.join(missing)} opset {opset} does not have; export it "
            f"at opset {opset} or older"
        )
    if later:
        model = _spelled_out(model, opset, known)
    others = [o for o in model.opset_import if o.domain not in ("", "ai.onnx", DOMAIN)]
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("", opset), *others])
    for node in every_node(model.graph):
        if node.domain in ("", "ai.onnx"):
            _drop_defaults(node, opset, known)
    return model


def _is_later(node: onnx.NodeProto, opset: int, known: int) -> bool:
    """True for a node that the older opset cannot express."""
    if not onnx.defs.has(node.op_type, opset):
        return onnx.defs.has(node.op_type, known)
    new = onnx.defs.get_schema(node.op_type, known)
    return any(a.name in _added(node.op_type, opset, known) and not _is_default(a, new) for a in node.attribute)


def _added(operator: str, opset: int, known: int) -> set[str]:
    return set(onnx.defs.get_schema(operator, known).attributes) - set(onnx.defs.get_schema(operator, opset).attributes)


def _is_default(attribute: onnx.AttributeProto, schema: onnx.defs.OpSchema) -> bool:
    default = schema.attributes[attribute.name].default_value
    return bool(default.type) and helper.get_attribute_value(attribute) == helper.get_attribute_value(default)


def _spelled_out(model: onnx.ModelProto, opset: int, known: int) -> onnx.ModelProto:
    """Inline the bodies of the operators that the older opset cannot express."""
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    types = {v.name: v.type for v in [*model.graph.input, *model.graph.value_info, *model.graph.output]}
    for tensor in model.graph.initializer:
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    functions: list[onnx.FunctionProto] = []
    for node in every_node(model.graph):
        if node.domain in ("", "ai.onnx") and _is_later(node, opset, known):
            schema = onnx.defs.get_schema(node.op_type, known)
            write_defaults(node, schema)
            name = f"{node.op_type}_{len(functions)}"
            functions.append(body_of(schema, node, [types.get(i) for i in node.input], known, name))
            node.domain, node.op_type = DOMAIN, name
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = known
    return inline_local_functions(model)


def _drop_defaults(node: onnx.NodeProto, opset: int, known: int) -> None:
    if not onnx.defs.has(node.op_type, opset):
        return
    added = _added(node.op_type, opset, known)
    for attribute in [a for a in node.attribute if a.name in added]:
        node.attribute.remove(attribute)
