"""Putting values back at the places they were taken from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype, rank, static_shape
from onnxpath.lowering.cast import accumulator, in_dtype


def size_of(op: Emitter, x: Tensor) -> Tensor:
    """Return the number of elements of `x`, an int64 scalar: a constant where it is known."""
    known = static_shape(x)
    return op.const(math.prod(known), np.int64) if known is not None else op.Size(x)


def numbered(op: Emitter, x: Tensor) -> Tensor:
    """Return the numbers 0, 1, 2, ... in the shape of `x`."""
    return op.Reshape(op.Range(0, size_of(op, x), 1), op.shape_of(x), allowzero=1)


def put_back(op: Emitter, dy: Tensor, axis: int, places: Sequence[int], size: int) -> Tensor:
    """Put row i of `dy` along `axis` at places[i] of `size`, zeros elsewhere; no place may occur twice."""
    count = len(places)
    if count == 0 or list(places) == list(range(places[0], places[0] + count)):
        before = places[0] if count else 0
        return fill_around(op, dy, axis, before, size - before - count) if count < size else dy
    source = np.full(size, count, np.int64)
    source[list(places)] = np.arange(count)
    # One row of zeros at the end is what the places not taken read.
    rows = fill_around(op, dy, axis, 0, 1) if count < size else dy
    return op.Gather(rows, source, axis=axis)


def fill_around(op: Emitter, dy: Tensor, axis: int, before: int | Tensor, after: int | Tensor) -> Tensor:
    """Add zeros before and after `dy` along one axis; run-time numbers are int64 vectors of one element."""
    if isinstance(before, int) and isinstance(after, int):
        return op.Pad(dy, [before, after], None, [axis])
    return op.Pad(dy, op.Concat(before, after, axis=0), None, [axis])


def scatter_flat(op: Emitter, dy: Tensor, places: Tensor, x: Tensor) -> Tensor:
    """Add every element of `dy` at its place, given as a number in the flattened `x`; return the shape of `x`."""
    flat = op.Expand(op.like(0, dy), op.Reshape(size_of(op, x), [1]))
    return op.reshape_like(_scatter_nd(op, flat, op.Reshape(places, [-1, 1]), op.Reshape(dy, [-1])), x)


def in_flat(op: Emitter, x: Tensor, places: Tensor) -> Tensor:
    """Return the values of `x` at places given as numbers in the flattened `x`, in the shape of `places`."""
    return op.Gather(op.Reshape(x, [-1]), places)


def scatter_rows(op: Emitter, dy: Tensor, indices: Tensor, x: Tensor, axis: int = 0) -> Tensor:
    """Add the blocks of `dy` at `indices` of ScatterND's form, which count from `axis` of `x`; return the shape of `x`.

    dy: the axes of `indices` but its last stand where `axis` stands in `x`.
    """
    # Rows are scattered ten times faster than elements.
    if axis == 0:
        return _scatter_nd(op, op.zeros_like(x), indices, dy)
    k = rank(indices) - 1
    front = [*range(axis, axis + k), *range(axis), *range(axis + k, rank(dy))]
    order = [axis, *range(axis), *range(axis + 1, rank(x))]
    known = static_shape(x)
    shape = op.const([known[i] for i in order]) if known is not None else op.Gather(op.Shape(x), order)
    rows = _scatter_nd(op, op.Expand(op.like(0, dy), shape), indices, op.Transpose(dy, perm=front))
    return op.Transpose(rows, perm=np.argsort(order).tolist())


def _scatter_nd(op: Emitter, zeros: Tensor, indices: Tensor, dy: Tensor) -> Tensor:
    # The CPU kernels refuse to add values of 16 bits.
    wide = accumulator(dy)
    base, values, places = in_dtype(op, zeros, wide), in_dtype(op, dy, wide), in_dtype(op, indices, TensorProto.INT64)
    return in_dtype(op, op.ScatterND(base, places, values, reduction="add"), onnx_dtype(dy))


def scatter_elements(op: Emitter, dy: Tensor, indices: Tensor, x: Tensor, axis: int) -> Tensor:
    """Add the elements of `dy` at `indices` along `axis` of `x`; return the shape of `x`."""
    wide = accumulator(dy)
    base, values = in_dtype(op, op.zeros_like(x), wide), in_dtype(op, dy, wide)
    return in_dtype(op, op.ScatterElements(base, indices, values, axis=axis, reduction="add"), onnx_dtype(dy))
