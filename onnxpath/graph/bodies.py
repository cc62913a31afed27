"""The function bodies by which the ONNX standard itself spells operators, as model-local functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import FunctionProto, helper

Schema = Any
"""onnx.defs.OpSchema; its type stubs lack what has to do with function bodies."""

DOMAIN = "onnxpath.body"


def has_body(schema: Schema) -> bool:
    """True for an operator that the standard spells."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def write_defaults(node: onnx.NodeProto, schema: Schema) -> None:
    """Give a node every attribute that has a default, because function bodies read attributes by name."""
    present = {a.name for a in node.attribute}
    node.attribute.extend(
        a.default_value for name, a in schema.attributes.items() if name not in present and a.default_value.type
    )


def body_of(
    schema: Schema, node: onnx.NodeProto, types: Sequence[onnx.TypeProto | None], opset: int, name: str
) -> FunctionProto:
    """Return the body for one node as a local function of domain `DOMAIN`.

    node: with its defaults written out; types: of its inputs, None for one left out; opset: what the body is labelled.
    """
    if schema.has_function:
        body: FunctionProto = FunctionProto.FromString(schema.function_body.SerializeToString())
    else:
        given = [t.SerializeToString() if t is not None else b"" for t in types]
        body = FunctionProto.FromString(schema.get_context_dependent_function(node.SerializeToString(), given))
    body.domain, body.name = DOMAIN, name
    del body.opset_import[:]
    body.opset_import.append(helper.make_opsetid("", opset))
    return body
