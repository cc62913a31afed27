"""The opset of a file: another number where every operator means the same there."""

from __future__ import annotations

from typing import Any

import onnx

from onnxpath.errors import ModelError
from onnxpath.graph.scope import every_node

OLDEST, NEWEST = 13, 26
"""Before 13 some operators had the same signature and another meaning (Softmax); ONNX Runtime loads up to 26."""


def at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return the model at another opset. Raises ModelError, which names the operators that differ there."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    current = versions[""]
    if opset == current:
        return model
    if not OLDEST <= opset <= NEWEST:
        raise ModelError(f"an explanation can be written at opsets {OLDEST} to {NEWEST}, not at {opset}")
    lacking: dict[str, str] = {}
    for node in every_node(model.graph):
        if not node.domain and (why := differs(node, current, opset)) is not None:
            lacking.setdefault(node.op_type, f"{node.op_type} ({why})")
    if lacking:
        raise ModelError(
            f"the explanation cannot be written at opset {opset}: {', '.join(lacking.values())}; "
            f"leave opset out, which gives {current}"
        )
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.opset_import[:]
    made.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in (versions | {"": opset}).items())
    return made


def differs(node: onnx.NodeProto, here: int, there: int) -> str | None:
    """Return why a node of one opset cannot be of another, None where it means the same.

    Operators gain attributes whose defaults are what they did before, and dtypes; a default that changes is another
    meaning.
    """
    old, new = (schema(node.op_type, opset) for opset in (here, there))
    if new is None or old is None:
        return "not there"
    if old.since_version == new.since_version:
        return None
    if len(node.input) > len(new.inputs) and new.inputs[-1].option != onnx.defs.OpSchema.FormalParameterOption.Variadic:
        return f"{len(node.input)} inputs, {len(new.inputs)} there"
    if unknown := [a.name for a in node.attribute if a.name not in new.attributes]:
        return f"no attribute {', '.join(unknown)} there"
    both = (name for name in old.attributes if name in new.attributes)
    if changed := [name for name in both if default(old, name) != default(new, name)]:
        return f"another {', '.join(changed)} there"
    lost = [name for name, a in old.attributes.items() if name not in new.attributes and default(old, name) is None]
    return f"no attribute {', '.join(lost)} there" if lost and there > here else None


def schema(operator: str, opset: int) -> onnx.defs.OpSchema | None:
    """Return an operator's definition at an opset, None where it has none."""
    try:
        return onnx.defs.get_schema(operator, max_inclusive_version=opset, domain="")
    except onnx.defs.SchemaError:
        return None


def default(of: onnx.defs.OpSchema, attribute: str) -> Any:
    """Return the default of an attribute, None without one."""
    value = of.attributes[attribute].default_value
    return onnx.helper.get_attribute_value(value) if value.type else None
