"""Operators that move values about."""

from __future__ import annotations

import numpy as np

from onnxpath.errors import ShapeError
from onnxpath.graph.ir import Constant, rank
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO

gradient.same("Identity")


@gradient("Reshape")
def reshape(op, dy, y, data, shape, *, allowzero=0):
    return op.reshape_like(dy, data), ZERO


@gradient("Flatten")
def flatten(op, dy, y, input, *, axis=1):
    return op.reshape_like(dy, input)


@gradient("Concat")
def concat(op, dy, y, *inputs, axis):
    axis %= rank(y)
    sizes = [x.shape[axis] for x in inputs]
    if all(isinstance(s, int) for s in sizes):
        split = op.const(sizes, np.int64)
    else:
        split = op.Concat(*(op.Shape(x, start=axis, end=axis + 1) for x in inputs), axis=0)
    return op.Split(dy, split, outputs=len(inputs), axis=axis) if len(inputs) > 1 else dy


@gradient("Slice")
def slice_(op, dy, y, data, starts, ends, axes=None, steps=None):
    # Which places were taken is itself a Slice of the places' numbers, so every start, end and step is right.
    n = rank(data)
    known = all(isinstance(t, Constant) for t in (starts, ends, axes, steps) if t is not None)
    sizes = list(data.shape)
    if known:
        grad = dy
        axes_ = axes.values.tolist() if axes is not None else list(range(len(starts.values)))
        steps_ = steps.values.tolist() if steps is not None else [1] * len(axes_)
        for a, s, e, t in zip(axes_, starts.values.tolist(), ends.values.tolist(), steps_, strict=True):
            grad = _unslice(op, grad, data, a % n, s, e, t, sizes[a % n])
        return grad, ZERO, ZERO, ZERO, ZERO
    raise ShapeError(f"the gradient of Slice '{y.name}' needs starts, ends, axes and steps that are constants")


def _unslice(op, dy, data, axis, start, end, step, size):
    """Put dy back at data[start:end:step] along one axis, zeros elsewhere."""
    if not isinstance(size, int):
        return _unslice_unknown(op, dy, data, axis, start, end, step)
    places = range(*slice(start, _open(end), step).indices(size))
    if len(places) == size and step == 1:
        return dy
    n = rank(dy)
    if step == 1:
        pads = [0] * 2 * n
        pads[axis], pads[axis + n] = places[0], size - 1 - places[-1]
        return op.Pad(dy, pads)
    source = np.full(size, len(places), np.int64)
    source[list(places)] = np.arange(len(places))
    # One row of zeros at the end is what the places not taken read.
    pads = [0] * 2 * n
    pads[axis + n] = 1
    return op.Gather(op.Pad(dy, pads), source, axis=axis)


def _open(end):
    return None if end <= -(2**31) else end


def _unslice_unknown(op, dy, data, axis, start, end, step):
    count = op.Shape(data, start=axis, end=axis + 1)
    places = op.Slice(op.Range(0, op.Squeeze(count, [0]), 1), [start], [end], [0], [step])
    zeros = op.Expand(op.like(0, dy), op.Concat(count, op.const([1]), axis=0))
    del zeros
    first = [axis, *(i for i in range(rank(dy)) if i != axis)]
    back = np.argsort(first).tolist()
    moved = op.Transpose(dy, perm=first)
    rest = op.Slice(op.Shape(moved), [1], [2**31], [0])
    base = op.Expand(op.like(0, dy), op.Concat(count, rest, axis=0))
    return op.Transpose(op.ScatterND(base, op.Unsqueeze(places, [1]), moved), perm=back)


@gradient("Pad")
def pad(op, dy, y, data, pads, constant_value=None, axes=None, *, mode="constant"):
    if mode != "constant" or not isinstance(pads, Constant):
        raise ShapeError(f"the gradient of Pad '{y.name}' is written for constant mode with known pads only")
    axes_ = axes.values.tolist() if axes is not None else list(range(rank(data)))
    dx = op.Pad(dy, (-pads.values).tolist(), None, axes_ if axes is not None else None)
    fill = op.Sub(op.ReduceSum(dy, keepdims=0), op.ReduceSum(dx, keepdims=0)) if op.wants(2) else None
    return dx, ZERO, fill
