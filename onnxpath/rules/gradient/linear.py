"""Contractions: Conv, Gemm, MatMul."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import rank
from onnxpath.lowering.conv import conv_input_grad, conv_weight_grad, reach, static_kernel, window
from onnxpath.rules.gradient.table import gradient


def explicit(auto_pad: str, operator: str) -> None:
    """Refuse `auto_pad`, which canonization turns into pads."""
    if auto_pad != "NOTSET":
        raise UnsupportedOperator(f"{operator} with auto_pad={auto_pad} has no gradient rule; canonize the model first")


@gradient("Conv")
def conv(
    op, dy, y, X, W, B=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None
):
    explicit(auto_pad, "Conv")
    w = window(X, static_kernel(W, kernel_shape), strides, pads, dilations)
    return (
        conv_input_grad(op, dy, X, W, w, group) if op.wants(0) else None,
        conv_weight_grad(op, dy, X, W, w, group) if op.wants(1) else None,
        op.ReduceSum(dy, [0, *range(2, rank(X))], keepdims=0) if op.wants(2) else None,
    )


@gradient("ConvTranspose")
def conv_transpose(
    op,
    dy,
    y,
    X,
    W,
    B=None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    output_padding=None,
    output_shape=None,
    pads=None,
    strides=None,
):
    """The adjoint of Conv: the cotangent is convolved, and takes the input's place in the weight's gradient."""
    w = window(y, static_kernel(W, kernel_shape), strides, pads, dilations)
    reached = dy
    if output_shape or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        w["pads"], reached = pads_to_size(op, dy, X, y, w, auto_pad, output_padding, output_shape)
    conv = {"kernel_shape": w["kernel"], "strides": w["strides"], "dilations": w["dilations"], "pads": w["pads"]}
    return (
        op.Conv(reached, W, group=group, **conv) if op.wants(0) else None,
        conv_weight_grad(op, X, reached, W, w, group) if op.wants(1) else None,
        op.ReduceSum(dy, [0, *range(2, rank(X))], keepdims=0) if op.wants(2) else None,
    )


def pads_to_size(op, dy, X, y, w, auto_pad, output_padding, output_shape):
    """Return the pads that ConvTranspose chooses to reach a size, and the part of `dy` that its kernels reach."""
    n = len(w["kernel"])
    begin, end, reached = [], [], []
    for i, (extent, stride, extra) in enumerate(zip(reach(w), w["strides"], output_padding or [0] * n, strict=True)):
        size = X.shape[2 + i]
        if output_shape and not isinstance(size, int):
            raise UnsupportedOperator(
                f"ConvTranspose '{y.name}' has output_shape over an input whose size is open until run time, so its "
                "padding cannot be written down; export the model with explicit pads or a fixed size"
            )
        surplus = extent + extra - stride
        if output_shape:
            surplus += size * stride - output_shape[i - n]
        total = max(surplus, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if auto_pad == "SAME_UPPER" else large)
        end.append(large if auto_pad == "SAME_UPPER" else small)
        reached.append(min(surplus, 0))
    if any(reached):
        dy = op.Pad(dy, [0] * n + reached, None, list(range(2, 2 + n)))
    return begin + end, dy


@gradient("Gemm", broadcasts=True)
def gemm(op, dy, y, A, B, C=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    def product(left, right, transA, transB):
        return op.Gemm(left, right, alpha=alpha, transA=transA, transB=transB)

    dA = dB = dC = None
    if op.wants(0):
        dA = known_last(product(B, dy, transB, 1) if transA else product(dy, B, 0, 1 - transB), A)
    if op.wants(1):
        dB = known_last(product(dy, A, 1, transA) if transB else product(A, dy, 1 - transA, 0), B)
    if op.wants(2):
        dC = dy if beta == 1.0 else op.Mul(dy, beta)
    return dA, dB, dC


def known_last(made, like):
    """Give the last two axes of a product the sizes of `like`, which are theirs: only the axes before broadcast."""
    if made.shape is not None and like.shape is not None:
        made.shape = [*made.shape[:-2], *like.shape[-2:]]
    return made


@gradient("MatMul", broadcasts=True)
def matmul(op, dy, y, A, B):
    if rank(A) > 1 and rank(B) == 2:
        return matmul_by_matrix(op, dy, A, B)
    # A vector is a row on the left and a column on the right; its axis is not in the output.
    if rank(B) == 1:
        dy = op.Unsqueeze(dy, [-1])
    if rank(A) == 1:
        dy = op.Unsqueeze(dy, [-2])
    rows = op.Unsqueeze(A, [0]) if rank(A) == 1 else A
    columns = op.Unsqueeze(B, [1]) if rank(B) == 1 else B
    dA = dB = None
    if op.wants(0):
        dA = known_last(op.MatMul(dy, transposed(op, columns)), rows)
        dA = op.Squeeze(dA, [-2]) if rank(A) == 1 else dA
    if op.wants(1):
        dB = known_last(op.MatMul(transposed(op, rows), dy), columns)
        dB = op.Squeeze(dB, [-1]) if rank(B) == 1 else dB
    return dA, dB


def matmul_by_matrix(op, dy, A, B):
    """The form of dense layers: the matrix's gradient sums over all rows of the batch in one product."""
    dA = dB = None
    if op.wants(0):
        dA = op.MatMul(dy, transposed(op, B))
        dA.shape = list(A.shape)
    if op.wants(1):
        rows, dy_rows = (t if rank(t) == 2 else op.Flatten(t, axis=-1) for t in (A, dy))
        dB = known_last(op.MatMul(transposed(op, rows), dy_rows), B)
    return dA, dB


def transposed(op, x):
    """Swap the last two axes."""
    n = rank(x)
    return op.Transpose(x, perm=[*range(n - 2), n - 1, n - 2])
