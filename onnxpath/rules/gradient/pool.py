"""Pooling."""

from __future__ import annotations

import math

from onnxpath.lowering.activation import gate
from onnxpath.lowering.conv import spatial_of, window
from onnxpath.lowering.max_pool import max_pool_grad
from onnxpath.lowering.pool import average_pool_grad
from onnxpath.rules.gradient.linear import explicit
from onnxpath.rules.gradient.table import gradient


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
    flat = op.Reshape(X, [0, 0, -1])
    places = op.Range(0, op.Squeeze(op.Shape(flat, start=2, end=3), [0]), 1)
    wins = op.Equal(places, op.ArgMax(flat, axis=2, keepdims=1))
    return op.reshape_like(gate(op, op.Reshape(dy, [0, 0, 1]), wins), X)


@gradient("GlobalAveragePool")
def global_average_pool(op, dy, y, X):
    sizes = X.shape[2:]
    if all(isinstance(s, int) for s in sizes):
        share = op.Mul(dy, op.like(1 / math.prod(sizes), dy))
    else:
        share = op.Div(dy, op.CastLike(op.ReduceProd(spatial_of(op, X), keepdims=0), dy))
    return op.Expand(share, op.shape_of(X))
