"""The schemas of standard operators."""

from __future__ import annotations

from functools import cache

import onnx


@cache
def schema_of(op_type: str, opset: int) -> onnx.defs.OpSchema:
    """Return the ai.onnx schema of an operator as of an opset."""
    return onnx.defs.get_schema(op_type, opset, "")
