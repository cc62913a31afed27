"""Operators that put values at indices, pick out a selection, or order values."""

from __future__ import annotations

from onnxpath.graph.ir import onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.lowering.scatter import numbered, scatter_elements, scatter_flat
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("ScatterElements")
def scatter_elements_rule(op, dy, y, data, indices, updates, *, axis=0, reduction="none"):
    def gather(t):
        return op.GatherElements(t, indices, axis=axis)

    def scatter(base, values, how):
        return op.ScatterElements(base, indices, values, axis=axis, reduction=how)

    return scattered(op, dy, data, updates, reduction, gather, scatter)


@gradient("ScatterND")
def scatter_nd(op, dy, y, data, indices, updates, *, reduction="none"):
    def gather(t):
        return op.GatherND(t, indices)

    def scatter(base, values, how):
        return op.ScatterND(base, indices, values, reduction=how)

    return scattered(op, dy, data, updates, reduction, gather, scatter)


def scattered(op, dy, data, updates, reduction, gather, scatter):
    """Return the gradients of data and updates; gather(t) reads at the indices, scatter(base, values, how) writes."""
    if reduction in ("none", "add"):
        ddata = dy if reduction == "add" else scatter(dy, op.zeros_like(updates), "none") if op.wants(0) else None
        return ddata, ZERO, gather(dy) if op.wants(2) else None
    # The CPU kernels refuse to reduce values of 16 bits.
    dtype, wide = onnx_dtype(data), accumulator(data)
    dy, data, updates = (in_dtype(op, t, wide) for t in (dy, data, updates))
    parts = product_parts if reduction == "mul" else extreme_parts
    ddata, dupdates = parts(op, dy, data, updates, reduction, gather, scatter)
    return in_dtype(op, ddata, dtype), ZERO, in_dtype(op, dupdates, dtype)


def product_parts(op, dy, data, updates, how, gather, scatter):
    """Each factor gets the product of the others, which has no division by zero where one of them is zero."""
    ddata = op.Mul(dy, scatter(op.Expand(op.like(1, data), op.shape_of(data)), updates, how))
    zero = op.Equal(updates, 0)
    safe, is_zero = op.Where(zero, 1, updates), op.CastLike(zero, updates)
    others = op.Div(gather(op.Mul(dy, scatter(data, safe, how))), safe)
    other_zeros = op.Sub(gather(scatter(op.zeros_like(data), is_zero, "add")), is_zero)
    return ddata, op.Where(op.Equal(other_zeros, 0), others, 0)


def extreme_parts(op, dy, data, updates, how, gather, scatter):
    """Values that tie share the cotangent equally."""
    y = scatter(data, updates, how)
    kept = op.CastLike(op.Equal(data, y), dy)
    won = op.CastLike(op.Equal(updates, gather(y)), dy)
    share = op.Div(dy, scatter(kept, won, "add"))
    return op.Mul(share, kept), op.Mul(gather(share), won)


@gradient("TensorScatter")
def tensor_scatter(op, dy, y, past_cache, update, write_indices=None, *, axis=-2, mode="linear"):
    dpast = op.TensorScatter(dy, op.zeros_like(update), write_indices, axis=axis, mode=mode) if op.wants(0) else None
    if not op.wants(1):
        return dpast, None, ZERO
    n = rank(update)
    axis %= n
    places = op.places(update, axis)
    # [rows or 1, places], with ones for the other axes.
    places = op.Unsqueeze(places, [0]) if write_indices is None else op.Add(op.Unsqueeze(write_indices, [1]), places)
    if mode == "circular":
        places = op.Mod(places, op.Shape(past_cache, start=axis, end=axis + 1))
    column = op.Unsqueeze(places, [a for a in range(1, n) if a != axis])
    return dpast, op.GatherElements(dy, op.Expand(column, op.shape_of(update)), axis=axis), ZERO


@gradient("Compress")
def compress(op, dy, y, input, condition, *, axis=None):
    return scatter_flat(op, dy, op.Compress(numbered(op, input), condition, axis=axis), input), ZERO


@gradient("TopK", several=True)
def top_k(op, dy, y, X, K, *, axis=-1, largest=1, sorted=1):
    return scatter_elements(op, dy[0], y[1], X, axis), ZERO


@gradient("CumSum")
def cum_sum(op, dy, y, x, axis, *, exclusive=0, reverse=0):
    return op.CumSum(dy, axis, exclusive=exclusive, reverse=1 - reverse), ZERO


@gradient("CumProd")
def cum_prod(op, dy, y, x, axis, *, exclusive=0, reverse=0):
    """Before the first zero: the products behind, divided by x; at it: those without it; behind it: zero."""
    zero = op.Equal(x, 0)
    zeros_so_far = op.CumSum(op.CastLike(zero, x), axis, reverse=reverse)
    first = op.And(zero, op.Equal(zeros_so_far, 1))
    without = op.CumProd(op.Where(first, 1, x), axis, exclusive=exclusive, reverse=reverse)

    def behind(t):
        return op.CumSum(op.Mul(dy, t), axis, exclusive=exclusive, reverse=1 - reverse)

    slope = op.Where(zero, 0, op.Div(behind(y), op.Where(zero, 1, x)))
    return op.Where(first, behind(without), slope), ZERO


@gradient("ReverseSequence")
def reverse_sequence(op, dy, y, input, sequence_lens, *, batch_axis=1, time_axis=0):
    return op.ReverseSequence(dy, sequence_lens, batch_axis=batch_axis, time_axis=time_axis), ZERO
