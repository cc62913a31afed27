"""Operators that move values about without computing on them."""

from __future__ import annotations

import numpy as np

from onnxpath.graph.ir import Constant, rank
from onnxpath.lowering.concat import concat_grad
from onnxpath.lowering.conv import with_spatial
from onnxpath.lowering.scatter import fill_around, numbered, put_back, scatter_flat
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("Reshape")
def reshape(op, dy, y, data, shape, *, allowzero=0):
    return op.reshape_like(dy, data), ZERO


@gradient("Flatten")
def flatten(op, dy, y, input, *, axis=1):
    return op.reshape_like(dy, input)


@gradient("Squeeze")
def squeeze(op, dy, y, data, axes=None):
    return op.reshape_like(dy, data), ZERO


@gradient("Unsqueeze")
def unsqueeze(op, dy, y, data, axes):
    return op.reshape_like(dy, data), ZERO


@gradient("Transpose")
def transpose(op, dy, y, data, *, perm=None):
    return op.Transpose(dy, perm=np.argsort(perm).tolist() if perm is not None else None)


@gradient("Expand", broadcasts=True)
def expand(op, dy, y, input, shape):
    return dy, ZERO


@gradient("Tile")
def tile(op, dy, y, input, repeats):
    # Every axis is seen as (repeat, size), and the repeats are summed.
    pairs = op.Concat(op.Unsqueeze(repeats, [1]), op.Unsqueeze(op.shape_of(input), [1]), axis=1)
    apart = op.Reshape(dy, op.Reshape(pairs, [-1]), allowzero=1)
    return op.ReduceSum(apart, list(range(0, 2 * rank(input), 2)), keepdims=0), ZERO


@gradient("Trilu")
def trilu(op, dy, y, input, k=None, *, upper=1):
    return op.Trilu(dy, k, upper=upper), ZERO


@gradient("DepthToSpace")
def depth_to_space(op, dy, y, input, *, blocksize, mode="DCR"):
    packed = op.SpaceToDepth(dy, blocksize=blocksize)
    if mode == "DCR":
        return packed
    # SpaceToDepth puts the block before the channel; CRD has it behind.
    block = op.Reshape(packed, with_spatial(op, [0, blocksize**2, -1], input))
    return op.reshape_like(op.Transpose(block, perm=[0, 2, 1, 3, 4]), input)


@gradient("SpaceToDepth")
def space_to_depth(op, dy, y, input, *, blocksize):
    return op.DepthToSpace(dy, blocksize=blocksize)


@gradient("Concat")
def concat(op, dy, y, *inputs, axis):
    axis %= rank(y)
    sizes = [x.shape[axis] for x in inputs]
    if len(inputs) == 1:
        return dy
    if all(isinstance(s, int) for s in sizes):
        return concat_grad(op, dy, sizes, axis)
    split = op.Concat(*(op.Shape(x, start=axis, end=axis + 1) for x in inputs), axis=0)
    return op.Split(dy, split, outputs=len(inputs), axis=axis)


@gradient("Split", several=True)
def split(op, dy, y, input, split=None, *, axis=0, num_outputs=None):
    parts = [d if d is not None else op.zeros_like(part) for d, part in zip(dy, y, strict=True)]
    return op.Concat(*parts, axis=axis), ZERO


@gradient("Slice")
def slice_(op, dy, y, data, starts, ends, axes=None, steps=None):
    cuts = known_cuts(data, starts, ends, axes, steps)
    if cuts is None:
        # Which places were taken is itself a Slice of the places' numbers, so every start, end and step is right.
        dx = scatter_flat(op, dy, op.Slice(numbered(op, data), starts, ends, axes, steps), data)
    else:
        dx = dy
        for axis, cut in cuts:
            dx = uncut(op, dx, data, axis, cut)
    return dx, ZERO, ZERO, ZERO, ZERO


def known_cuts(data, starts, ends, axes, steps):
    """Return [(axis, slice)], or None where they or the sizes that they depend on are known at run time only."""
    if not all(isinstance(t, Constant) for t in (starts, ends, axes, steps) if t is not None):
        return None
    begins, stops = starts.values.tolist(), ends.values.tolist()
    axes_ = [a % rank(data) for a in axes.values.tolist()] if axes is not None else list(range(len(begins)))
    steps_ = steps.values.tolist() if steps is not None else [1] * len(begins)
    if any(step != 1 and not isinstance(data.shape[axis], int) for axis, step in zip(axes_, steps_, strict=True)):
        return None
    return [(axis, slice(*cut)) for axis, *cut in zip(axes_, begins, stops, steps_, strict=True)]


def uncut(op, dy, data, axis, cut):
    """Put dy back at data[cut] along one axis, zeros elsewhere."""
    size = data.shape[axis]
    if isinstance(size, int):
        return put_back(op, dy, axis, list(range(*cut.indices(size))), size)
    size = op.Shape(data, start=axis, end=axis + 1)
    before = op.Min(size, cut.start) if cut.start >= 0 else op.Max(op.Add(size, cut.start), 0)
    after = op.Sub(op.Sub(size, before), op.Shape(dy, start=axis, end=axis + 1))
    return fill_around(op, dy, axis, before, after)


@gradient("Pad")
def pad(op, dy, y, data, pads, constant_value=None, axes=None, *, mode="constant"):
    if mode != "constant":
        # As for Slice: the padded numbers of the places say where each value came from.
        return scatter_flat(op, dy, op.Pad(numbered(op, data), pads, None, axes, mode=mode), data), ZERO, ZERO, ZERO
    dx = op.Pad(dy, -pads.values if isinstance(pads, Constant) else op.Neg(pads), None, axes)
    fill = None
    if op.wants(2):
        fill = op.reshape_like(op.Sub(op.ReduceSum(dy, keepdims=0), op.ReduceSum(dx, keepdims=0)), constant_value)
    return dx, ZERO, fill, ZERO


@gradient("Col2Im")
def col2im(op, dy, y, input, image_shape, block_shape, *, dilations=None, pads=None, strides=None):
    """The adjoint of adding blocks up: along each axis the windows are read again."""
    n = rank(dy) - 2
    t = op.Pad(dy, pads, None, list(range(2, 2 + n))) if pads else dy
    for i in range(n):
        size, kernel = op.Shape(t, start=2 + 2 * i, end=3 + 2 * i), op.Gather(block_shape, [i])
        kernel, step = op.Squeeze(kernel, [0]), dilations[i] if dilations else 1
        starts = op.Sub(op.Squeeze(size, [0]), op.Mul(op.Sub(kernel, 1), step))
        starts, taps = op.Range(0, starts, strides[i] if strides else 1), op.Mul(op.Range(0, kernel, 1), step)
        t = op.Gather(t, op.Add(op.Unsqueeze(taps, [1]), starts), axis=2 + 2 * i)
    # [rows, channels, tap, block, tap, block, ...]: taps go to the channels.
    t = op.Transpose(t, perm=[0, 1, *range(2, 2 + 2 * n, 2), *range(3, 3 + 2 * n, 2)])
    return op.reshape_like(t, input), ZERO, ZERO
