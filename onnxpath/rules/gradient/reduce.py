"""Reductions over axes."""

from __future__ import annotations

import math

from onnxpath.graph.ir import Constant, onnx_dtype, static_shape
from onnxpath.lowering.scatter import size_of
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


def kept(op, reduced, axes, keepdims):
    """Return a reduced tensor in the form that broadcasts against what was reduced."""
    everything = axes is None or (isinstance(axes, Constant) and axes.values.size == 0)
    # A scalar broadcasts as it is; and so does what empty axes have left whole.
    return reduced if keepdims or everything else op.Unsqueeze(reduced, axes)


@gradient("ReduceSum")
def reduce_sum(op, dy, y, data, axes=None, *, keepdims=1, noop_with_empty_axes=0):
    return op.Expand(kept(op, dy, axes, keepdims), op.shape_of(data)), ZERO


@gradient("ReduceMean")
def reduce_mean(op, dy, y, data, axes=None, *, keepdims=1, noop_with_empty_axes=0):
    return op.Expand(kept(op, mean_share(op, dy, y, data), axes, keepdims), op.shape_of(data)), ZERO


def mean_share(op, dy, y, data):
    """Divide dy by the number of elements that each mean is taken over."""
    many, few = static_shape(data), static_shape(y)
    if many is not None and few is not None and 0 not in many:
        return op.Mul(dy, math.prod(few) / math.prod(many))
    # Of no rows there is no mean, and no whole number is divided by zero.
    return op.Div(dy, op.Cast(op.Div(size_of(op, data), op.Max(size_of(op, y), 1)), to=onnx_dtype(dy)))


def reduction(operator, derivative):
    """Declare a reduction by its derivative `f(op, x, y, again)`.

    y has the reduced axes as ones; again(operator, t) reduces another tensor along the same axes and keeps them.
    """

    @gradient(operator)
    def rule(op, dy, y, data, axes=None, *, keepdims=1, noop_with_empty_axes=0):
        def again(name, t):
            return getattr(op, name)(t, axes, keepdims=1, noop_with_empty_axes=noop_with_empty_axes)

        slope = derivative(op, data, kept(op, y, axes, keepdims), again)
        return op.Mul(kept(op, dy, axes, keepdims), slope), ZERO


def extreme_slope(op, x, y, again):
    """Elements that tie share the cotangent equally, as in torch.amax."""
    winners = op.Cast(op.Equal(x, y), to=onnx_dtype(x))
    return op.Div(winners, again("ReduceSum", winners))


def product_slope(op, x, y, again):
    """Return the product of all other elements, which has no division by zero where one of them is zero."""
    zero = op.Equal(x, 0)
    safe = op.Where(zero, 1, x)
    is_zero = op.Cast(zero, to=onnx_dtype(x))
    other_zeros = op.Sub(again("ReduceSum", is_zero), is_zero)
    return op.Where(op.Equal(other_zeros, 0), op.Div(again("ReduceProd", safe), safe), 0)


reduction("ReduceMax", extreme_slope)
reduction("ReduceMin", extreme_slope)
reduction("ReduceProd", product_slope)
reduction("ReduceL1", lambda op, x, y, again: op.Sign(x))
reduction("ReduceL2", lambda op, x, y, again: op.Div(x, op.Where(op.Equal(y, 0), 1, y)))
reduction("ReduceSumSquare", lambda op, x, y, again: op.Mul(x, 2))
reduction("ReduceLogSum", lambda op, x, y, again: op.Expand(op.Exp(op.Neg(y)), op.shape_of(x)))
reduction("ReduceLogSumExp", lambda op, x, y, again: op.Exp(op.Sub(x, y)))
