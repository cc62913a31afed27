"""Changes of dtype."""

from __future__ import annotations

from onnx import TensorProto

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype

HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def in_dtype(op: Emitter, t: Tensor, dtype: int) -> Tensor:
    """Return `t` in a TensorProto.DataType; nothing is made where it has that already."""
    return t if onnx_dtype(t) == dtype else op.Cast(t, to=dtype)


def accumulator(t: Tensor, wide: int = TensorProto.FLOAT) -> int:
    """Return the dtype to add up values of `t` in: `wide` for 16 bits, else its own."""
    return wide if onnx_dtype(t) in HALF else onnx_dtype(t)
