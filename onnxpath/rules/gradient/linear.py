"""Contractions: Conv, Gemm, MatMul."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import rank
from onnxpath.lowering.conv import conv_input_grad, conv_weight_grad, static_kernel, window
from onnxpath.rules.gradient.table import gradient


def explicit(auto_pad: str, operator: str) -> None:
    """Refuse `auto_pad`, which canonization turns into pads."""
    if auto_pad != "NOTSET":
        raise UnsupportedOperator(f"{operator} with auto_pad={auto_pad} has no gradient rule; canonize the model first")


@gradient("Conv")
def conv(op, dy, y, X, W, B=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None):
    explicit(auto_pad, "Conv")
    w = window(X, static_kernel(W, kernel_shape), strides, pads, dilations)
    spatial = [0, *range(2, rank(X))]
    return (
        conv_input_grad(op, dy, X, W, w, group) if op.wants(0) else None,
        conv_weight_grad(op, dy, X, W, w, group) if op.wants(1) else None,
        op.ReduceSum(dy, spatial, keepdims=0) if op.wants(2) else None,
    )


@gradient("Gemm", broadcasts=True)
def gemm(op, dy, y, A, B, C=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    dA = dB = dC = None
    if op.wants(0):
        dA = op.Gemm(B, dy, alpha=alpha, transA=transB, transB=1) if transA else op.Gemm(dy, B, alpha=alpha, transB=1 - transB)
    if op.wants(1):
        dB = op.Gemm(dy, A, alpha=alpha, transA=1, transB=transA) if transB else op.Gemm(A, dy, alpha=alpha, transA=1 - transA)
    if op.wants(2):
        dC = dy if beta == 1.0 else op.Mul(dy, op.like(beta, dy))
    return dA, dB, dC


@gradient("MatMul", broadcasts=True)
def matmul(op, dy, y, A, B):
    a, b = rank(A), rank(B)
    # A vector is a row on the left and a column on the right; its axis is not in the output.
    if b == 1:
        dy = op.Unsqueeze(dy, [-1])
    if a == 1:
        dy = op.Unsqueeze(dy, [-2])
    rows = op.Unsqueeze(A, [0]) if a == 1 else A
    columns = op.Unsqueeze(B, [1]) if b == 1 else B
    dA = op.MatMul(dy, transposed(op, columns)) if op.wants(0) else None
    dB = op.MatMul(transposed(op, rows), dy) if op.wants(1) else None
    if a == 1 and dA is not None:
        dA = op.Squeeze(dA, [-2])
    if b == 1 and dB is not None:
        dB = op.Squeeze(dB, [-1])
    return dA, dB


def transposed(op, x):
    """Swap the last two axes."""
    n = rank(x)
    return op.Transpose(x, perm=[*range(n - 2), n - 1, n - 2])
