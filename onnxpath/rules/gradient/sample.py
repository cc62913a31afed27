"""Operators that read an image at computed places: their gradients reach the image and the places.

Each is spelled forward in reads of whole neighbours, so that the walk differentiates weights and reads alike.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import onnx_dtype, rank
from onnxpath.lowering.cast import in_dtype
from onnxpath.lowering.conv import static_kernel, window
from onnxpath.rules.gradient.table import gradient


def sizes_of(op, x):
    """Return the sizes behind rows and channels as scalars of the dtype of `x`."""
    return [op.Cast(op.size_along(x, a), to=onnx_dtype(x)) for a in range(2, rank(x))]


def inside(op, at, size):
    """True where a coordinate lies on the image."""
    return op.And(op.GreaterOrEqual(at, 0), op.Less(at, size))


def read(op, pixels, at, sizes):
    """Return the values of `pixels` [rows, *spatial, channels] at whole coordinates, each of shape [rows, *places].

    The result is [rows, *places, channels]; coordinates off the image read its border.
    """
    columns = [op.Cast(op.Clip(c, 0, op.Sub(size, 1)), to=7) for c, size in zip(at, sizes, strict=True)]
    return op.GatherND(pixels, op.Concat(*(op.Unsqueeze(c, [-1]) for c in columns), axis=-1), batch_dims=1)


def channels_last(op, x):
    return op.Transpose(x, perm=[0, *range(2, rank(x)), 1])


def channels_second(op, x):
    return op.Transpose(x, perm=[0, rank(x) - 1, *range(1, rank(x) - 1)])


def neighbours(op, at, taps):
    """Yield per neighbour on the grid its whole coordinates and its weight, the product over the axes.

    taps: function from a coordinate to [(whole coordinate, weight)] along one axis.
    """
    for corner in product(*(taps(c) for c in at)):
        weight = corner[0][1]
        for _, further in corner[1:]:
            weight = op.Mul(weight, further)
        yield [place for place, _ in corner], weight


def linear_taps(op):
    def taps(c):
        low = op.Floor(c)
        part = op.Sub(c, low)
        return [(low, op.Sub(1, part)), (op.Add(low, 1), part)]

    return taps


def cubic_taps(op):
    """Return the four taps of Keys' kernel."""
    a = -0.75

    def near(t):  # |t| <= 1
        return op.Add(op.Mul(op.Sub(op.Mul(t, a + 2), a + 3), op.Mul(t, t)), 1)

    def far(t):  # 1 <= |t| <= 2
        return op.Sub(op.Mul(op.Add(op.Mul(op.Sub(op.Mul(t, a), 5 * a), t), 8 * a), t), 4 * a)

    def taps(c):
        low = op.Floor(c)
        part = op.Sub(c, low)
        rest = op.Sub(1, part)
        return [
            (op.Sub(low, 1), far(op.Add(part, 1))),
            (low, near(part)),
            (op.Add(low, 1), near(rest)),
            (op.Add(low, 2), far(op.Add(rest, 1))),
        ]

    return taps


def weighted_reads(op, pixels, at, sizes, taps, place=None):
    """Return the weighted sum of the neighbours of every place, [rows, *places, channels].

    place: function (whole coordinate, size) -> coordinate that folds those off the image back onto it; where it is
    None, what lies off the image counts as zero.
    """
    parts = []
    for corner, weight in neighbours(op, at, taps):
        if place is not None:
            corner = [place(c, size) for c, size in zip(corner, sizes, strict=True)]
        else:
            for c, size in zip(corner, sizes, strict=True):
                weight = op.Mul(weight, op.CastLike(inside(op, c, size), weight))
        parts.append(op.Mul(read(op, pixels, corner, sizes), op.Unsqueeze(weight, [-1])))
    return op.sum(parts)


@gradient.expansion("GridSample")
def grid_sample(op, X, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
    """Read X at the places of the grid, which count from -1 to 1 and name the last axis first."""
    sizes = sizes_of(op, X)
    folds = {"zeros": None, "border": lambda c, size: c, "reflection": reflection(op, align_corners)}
    fold = folds[padding_mode]
    at = []
    for axis, size in enumerate(sizes):
        g = op.Squeeze(op.Slice(grid, [len(sizes) - 1 - axis], [len(sizes) - axis], [-1]), [-1])
        g = in_dtype(op, g, onnx_dtype(X))
        if align_corners:
            at.append(op.Mul(op.Add(g, 1), op.Mul(op.Sub(size, 1), 0.5)))
        else:
            at.append(op.Sub(op.Mul(op.Add(g, 1), op.Mul(size, 0.5)), 0.5))
    if mode == "nearest":
        taps = lambda c: [(op.Round(c), op.like(1, X))]  # noqa: E731
    elif mode == "cubic":
        taps = cubic_taps(op)
    else:
        taps = linear_taps(op)
        # A place off the image is folded before its neighbours are taken, and folding has a derivative.
        if padding_mode == "border":
            at = [op.Clip(c, 0, op.Sub(size, 1)) for c, size in zip(at, sizes, strict=True)]
        elif padding_mode == "reflection":
            at = [fold(c, size) for c, size in zip(at, sizes, strict=True)]
    return channels_second(op, weighted_reads(op, channels_last(op, X), at, sizes, taps, fold))


def reflection(op, align_corners):
    """Return the fold at the centres of the outermost pixels (align_corners) or at their outer edges."""

    def fold(c, size):
        low = 0.0 if align_corners else -0.5
        span = op.Max(op.Sub(size, 1), 1e-6) if align_corners else size
        away = op.Abs(op.Sub(c, low))
        turns = op.Floor(op.Div(away, span))
        rest = op.Sub(away, op.Mul(turns, span))
        odd = op.Sub(turns, op.Mul(op.Floor(op.Mul(turns, 0.5)), 2))
        return op.Add(op.Where(op.Greater(odd, 0.5), op.Sub(span, rest), rest), low)

    return fold


@gradient.expansion("AffineGrid")
def affine_grid(op, theta, size, *, align_corners=0):
    """The grid of unit coordinates, with a one behind, times the transposed matrices."""
    n = rank(theta) and theta.shape[1]
    if not isinstance(n, int):
        raise UnsupportedOperator("AffineGrid with matrices of unknown size; export the model with their shape")
    axes = []
    for axis in range(n):
        count = op.Squeeze(op.Slice(size, [2 + axis], [3 + axis], [0]), [0])
        steps, many = (op.CastLike(t, theta) for t in (op.Range(0, count, 1), count))
        if align_corners:
            line = op.Sub(op.Div(op.Mul(steps, 2), op.Max(op.Sub(many, 1), 1)), 1)
        else:
            line = op.Sub(op.Div(op.Add(op.Mul(steps, 2), 1), many), 1)
        axes.append(op.Reshape(line, [-1 if i == axis else 1 for i in range(n)]))
    shape = op.Slice(size, [2], [2 + n], [0])
    columns = [op.Unsqueeze(op.Expand(line, shape), [-1]) for line in reversed(axes)]
    ones = op.Expand(op.like(1, theta), op.Concat(shape, [1], axis=0))
    base = op.Reshape(op.Concat(*columns, ones, axis=-1), [-1, n + 1])
    made = op.MatMul(base, op.Transpose(theta, perm=[0, 2, 1]))
    return op.Reshape(made, op.Concat(op.Shape(theta, start=0, end=1), shape, [n], axis=0))


@gradient.expansion("DeformConv")
def deform_conv(
    op,
    X,
    W,
    offset,
    B=None,
    mask=None,
    *,
    dilations=None,
    group=1,
    kernel_shape=None,
    offset_group=1,
    pads=None,
    strides=None,
):
    """Read every tap of every window at its shifted place, then contract taps and channels with the weight."""
    kernel = static_kernel(W, kernel_shape)
    w = window(X, kernel, strides, pads, dilations)
    n, taps = len(kernel), int(np.prod(kernel))
    if n != 2:
        raise UnsupportedOperator(f"DeformConv over {n} axes; ONNX Runtime runs 2")
    image = op.Reshape(
        X, op.Concat([-1], channels_each(op, X, offset_group), op.Slice(op.Shape(X), [2], [4], [0]), axis=0)
    )
    out = op.Slice(op.Shape(offset), [2], [4], [0])
    shifts = op.Reshape(offset, op.Concat([-1, taps, 2], out, axis=0))  # [rows * offset groups, taps, axis, y, x]
    at = []
    for axis in range(2):
        size = op.Squeeze(op.Slice(out, [axis], [axis + 1], [0]), [0])
        starts = op.Sub(op.Mul(op.CastLike(op.Range(0, size, 1), X), float(w["strides"][axis])), float(w["pads"][axis]))
        steps = np.indices(kernel)[axis].reshape(taps, 1, 1) * w["dilations"][axis]
        base = op.Add(op.Reshape(starts, [-1, 1] if axis == 0 else [1, -1]), op.like(steps, X))
        at.append(op.Add(op.Squeeze(op.Slice(shifts, [axis], [axis + 1], [2]), [2]), base))
    taken = weighted_reads(op, channels_last(op, image), at, sizes_of(op, image), linear_taps(op))
    if mask is not None:
        taken = op.Mul(taken, op.Unsqueeze(op.Reshape(mask, op.Concat([-1, taps], out, axis=0)), [-1]))
    # [rows * offset groups, taps, y, x, channels] as [rows, groups, channels * taps, y * x]
    columns = op.Transpose(taken, perm=[0, 4, 1, 2, 3])
    columns = op.Reshape(columns, op.Concat(op.Shape(X, start=0, end=1), [group, W.shape[1] * taps, -1], axis=0))
    made = op.MatMul(op.Reshape(W, [group, -1, W.shape[1] * taps]), columns)
    made = op.Reshape(made, op.Concat(op.Shape(X, start=0, end=1), op.Shape(W, start=0, end=1), out, axis=0))
    return op.Add(made, op.Reshape(B, [-1, 1, 1])) if B is not None else made


def channels_each(op, x, groups):
    return op.Div(op.Shape(x, start=1, end=2), groups)
