"""Quantisation. What a gradient may do at QuantizeLinear is a choice: see `onnxpath.rules.variants`."""

from __future__ import annotations

from onnxpath.graph.ir import onnx_dtype, rank
from onnxpath.lowering.cast import in_dtype
from onnxpath.lowering.scatter import scatter_rows
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO

gradient.zero("QuantizeLinear", instead="straight-through")
gradient.refuse("DynamicQuantizeLinear", why="its scale is taken from the data; quantise the model statically")
gradient.refuse(
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    why="it computes in integers; quantise the model in QDQ format (QuantFormat.QDQ in onnxruntime.quantization)",
)


@gradient("DequantizeLinear", broadcasts=True)
def dequantize_linear(op, dy, y, x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    scale = spread(op, x_scale, y, axis, block_size)
    dy, y = (in_dtype(op, t, onnx_dtype(x_scale)) for t in (dy, y))
    return (
        op.Mul(dy, scale) if op.wants(0) else None,
        per_scale(op, op.Mul(dy, op.Div(y, scale)), x_scale, axis, block_size) if op.wants(1) else None,
        ZERO,
    )


def one_for_all(parameter):
    """True for a scale or zero point of the whole tensor."""
    return rank(parameter) == 0 or list(parameter.shape) == [1]


def spread(op, parameter, x, axis, block_size):
    """Return a scale, per tensor, along an axis or per block of it, in a form that broadcasts against `x`."""
    if one_for_all(parameter):
        return parameter
    if block_size:
        return op.Gather(parameter, blocks(op, x, axis, block_size), axis=axis % rank(x))
    return op.Reshape(parameter, [-1, *[1] * (rank(x) - 1 - axis % rank(x))]) if rank(x) > 1 else parameter


def per_scale(op, grad, scale, axis, block_size):
    """Add up a gradient of the tensor's shape to the shape of its scale; the walk does that for a single number."""
    if one_for_all(scale):
        return grad
    axis %= rank(grad)
    if block_size:
        return scatter_rows(op, grad, op.Unsqueeze(blocks(op, grad, axis, block_size), [-1]), scale, axis)
    return op.ReduceSum(grad, [a for a in range(rank(grad)) if a != axis], keepdims=0) if rank(grad) > 1 else grad


def blocks(op, x, axis, block_size):
    """Return which block each place along an axis of `x` is in, int64."""
    return op.Div(op.places(x, axis % rank(x)), block_size)
