"""Pooling."""

from __future__ import annotations

import math

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import static_shape
from onnxpath.lowering.activation import gate
from onnxpath.lowering.conv import spatial_of, window
from onnxpath.lowering.max_pool import max_pool_grad
from onnxpath.lowering.pool import average_pool_grad, spread
from onnxpath.lowering.scatter import in_flat
from onnxpath.rules.gradient.linear import explicit
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("MaxPool")
def max_pool(
    op,
    dy,
    y,
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    dilations=None,
    kernel_shape,
    pads=None,
    storage_order=0,
    strides=None,
):
    explicit(auto_pad, "MaxPool")
    return max_pool_grad(op, dy, X, y, window(X, kernel_shape, strides, pads, dilations), ceil_mode)


@gradient("AveragePool")
def average_pool(
    op,
    dy,
    y,
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    count_include_pad=0,
    dilations=None,
    kernel_shape,
    pads=None,
    strides=None,
):
    explicit(auto_pad, "AveragePool")
    return average_pool_grad(op, dy, X, window(X, kernel_shape, strides, pads, dilations), ceil_mode, count_include_pad)


@gradient("GlobalMaxPool")
def global_max_pool(op, dy, y, X):
    """The first maximum in scan order wins, as in MaxPool."""
    flat = op.Flatten(X, axis=2)
    places = op.places(flat, 1)
    wins = op.Equal(places, op.ArgMax(flat, axis=1, keepdims=1))
    return op.reshape_like(gate(op, op.Flatten(dy, axis=2), wins), X)


@gradient("GlobalAveragePool")
def global_average_pool(op, dy, y, X):
    sizes = X.shape[2:]
    if all(isinstance(s, int) for s in sizes):
        share = op.Mul(dy, op.like(1 / math.prod(sizes), dy))
    else:
        share = op.Div(dy, op.CastLike(op.ReduceProd(spatial_of(op, X), keepdims=0), dy))
    return op.Expand(share, op.shape_of(X))


@gradient("LpPool")
def lp_pool(
    op,
    dy,
    y,
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    dilations=None,
    kernel_shape,
    p=2,
    pads=None,
    strides=None,
):
    explicit(auto_pad, "LpPool")
    share = spread(op, norm_share(op, dy, y, p), X, window(X, kernel_shape, strides, pads, dilations))
    return op.Mul(share, norm_slope(op, X, p))


@gradient("GlobalLpPool")
def global_lp_pool(op, dy, y, X, *, p=2):
    return op.Mul(norm_share(op, dy, y, p), norm_slope(op, X, p))


def norm_share(op, dy, y, p):
    """Return dy y^(1-p), the part of the p-norm's derivative that all elements share; 0 where the norm is 0."""
    if p == 1:
        return dy
    safe = op.Where(op.Equal(y, 0), 1, y)
    return op.Div(dy, safe if p == 2 else op.Pow(safe, op.like(p - 1, y)))


def norm_slope(op, x, p):
    """Return x |x|^(p-2)."""
    if p == 2:
        return x
    return op.Sign(x) if p == 1 else op.Mul(op.Sign(x), op.Pow(op.Abs(x), op.like(p - 1, x)))


@gradient("MaxUnpool")
def max_unpool(op, dy, y, X, I, output_shape=None, *, kernel_shape, pads=None, strides=None):  # noqa: E741
    if output_shape is not None and not natural_size(X, y, kernel_shape, pads, strides):
        raise UnsupportedOperator(
            f"MaxUnpool '{y.name}' has an output_shape other than the one its strides make, for which ONNX and ONNX "
            "Runtime take the indices differently; export it without output_shape"
        )
    return in_flat(op, dy, I), ZERO, ZERO


def natural_size(X, y, kernel, pads, strides):
    """True where the spatial sizes are known to be those that kernel, strides and pads make."""
    n = len(kernel)
    pads, strides = pads or [0] * 2 * n, strides or [1] * n
    if static_shape(X) is None or static_shape(y) is None:
        return False
    made = [(size - 1) * strides[i] + kernel[i] - pads[i] - pads[i + n] for i, size in enumerate(X.shape[2:])]
    return made == list(y.shape[2:])
