"""Convolutions, matrix products and distances of com.microsoft, with what is fused to them."""

from __future__ import annotations

from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.microsoft.activation import activated
from onnxpath.graph.ir import rank


@expansion("com.microsoft", "FusedConv")
def fused_conv(op, X, W, B=None, Z=None, *, activation="", activation_params=(), **window):
    """Conv, Add, the activation."""
    y = op.Conv(X, W, B, **window)
    return activated(op, y if Z is None else op.Add(y, Z), activation, activation_params)


@expansion("com.microsoft", "NhwcFusedConv")
def nhwc_fused_conv(op, X, W, B=None, Z=None, *, activation="", activation_params=(), **window):
    """Transpose, Conv, Transpose, Add, the activation."""
    last = [0, *range(2, rank(X)), 1]
    first = [0, rank(X) - 1, *range(1, rank(X) - 1)]
    y = op.Transpose(op.Conv(op.Transpose(X, perm=first), W, B, **window), perm=last)
    return activated(op, y if Z is None else op.Add(y, Z), activation, activation_params)


@expansion("com.microsoft", "NhwcConv")
def nhwc_conv(op, X, W, B=None, **window):
    """Transpose, Conv, Transpose."""
    return nhwc_fused_conv(op, X, W, B, **window)


@expansion("com.microsoft", "FusedGemm")
def fused_gemm(
    op, A, B, C=None, *, alpha=1.0, beta=1.0, transA=0, transB=0,
    activation="", activation_alpha=None, activation_beta=None, activation_gamma=None,
):  # fmt: skip
    """Gemm, the activation."""
    y = op.Gemm(A, B, C, alpha=alpha, beta=beta, transA=transA, transB=transB)
    return activated(op, y, activation, _given(activation_alpha, activation_beta, activation_gamma))


@expansion("com.microsoft", "FusedMatMul", "TransposeMatMul")
def fused_matmul(op, A, B, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
    """Transpose, MatMul, Mul."""
    y = op.MatMul(_turned(op, A, transA, transBatchA), _turned(op, B, transB, transBatchB))
    return y if alpha == 1 else op.Mul(y, alpha)


@expansion("com.microsoft", "FusedMatMulActivation")
def fused_matmul_activation(
    op, A, B, *, activation, activation_alpha=None, activation_beta=None, activation_gamma=None,
    activation_axis=-1, **product,
):  # fmt: skip
    """Transpose, MatMul, Mul, the activation."""
    y = fused_matmul(op, A, B, **product)
    if activation in ("Softmax", "LogSoftmax"):
        return getattr(op, activation)(y, axis=activation_axis)
    return activated(op, y, activation, _given(activation_alpha, activation_beta, activation_gamma))


@expansion("com.microsoft", "CDist")
def distances(op, A, B, *, metric="sqeuclidean"):
    """Sum over the features of (a - b)² for each pair of rows, with metric euclidean its root."""
    gap = op.Sub(op.Unsqueeze(A, [1]), op.Unsqueeze(B, [0]))
    squares = op.ReduceSum(op.Mul(gap, gap), [2], keepdims=0)
    return op.Sqrt(squares) if metric == "euclidean" else squares


def _given(*parameters):
    return [p for p in parameters if p is not None]


def _turned(op, x, last, batch):
    """Transpose the last two axes, or move the first axis to the second last place (transBatch), or both."""
    count = rank(x)
    if count < 2 or not (last or batch):
        return x
    axes = [*range(1, count - 1), 0, count - 1] if batch else list(range(count))
    if last:
        axes[-2:] = axes[:-3:-1]
    return x if axes == list(range(count)) else op.Transpose(x, perm=axes)
