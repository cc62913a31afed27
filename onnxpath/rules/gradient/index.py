"""Operators that pick values by index: their gradients add up where an index occurs twice."""

from __future__ import annotations

import numpy as np

from onnxpath.graph.ir import Constant, rank
from onnxpath.lowering.scatter import put_back, scatter_elements, scatter_rows
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("Gather")
def gather(op, dy, y, data, indices, *, axis=0):
    axis %= rank(data)
    places = distinct_places(indices, data.shape[axis])
    if places is not None:
        rows = dy if rank(indices) == 1 else op.Unsqueeze(dy, [axis])
        return put_back(op, rows, axis, places, data.shape[axis]), ZERO
    return scatter_rows(op, dy, op.Unsqueeze(indices, [-1]), data, axis), ZERO


def distinct_places(indices, size):
    """Return the places that known indices (a vector or a scalar) pick, where no place is picked twice, else None."""
    if not (isinstance(indices, Constant) and isinstance(size, int) and indices.values.ndim < 2):
        return None
    places = np.ravel(indices.values % size).tolist() if size else []
    return places if len(set(places)) == len(places) else None


@gradient("GatherElements")
def gather_elements(op, dy, y, data, indices, *, axis=0):
    return scatter_elements(op, dy, indices, data, axis), ZERO


@gradient("GatherND")
def gather_nd(op, dy, y, data, indices, *, batch_dims=0):
    return scatter_rows(op, dy, with_batch_places(op, indices, batch_dims), data), ZERO


def with_batch_places(op, indices, batch_dims):
    """Put the number of the batch in front of every index, which GatherND leaves out and ScatterND wants."""
    if not batch_dims:
        return indices
    n = rank(indices)
    lead = op.Slice(op.Shape(indices), [0], [n - 1], [0])
    columns = []
    for axis in range(batch_dims):
        column = op.Reshape(op.places(indices, axis), [-1 if i == axis else 1 for i in range(n)])
        columns.append(op.Expand(column, op.Concat(lead, op.const([1]), axis=0)))
    return op.Concat(*columns, indices, axis=-1)


@gradient("OneHot")
def one_hot(op, dy, y, indices, depth, values, *, axis=-1):
    """The two values get the sums of the cotangent off and on the places."""
    on = op.ReduceSum(op.Mul(dy, op.OneHot(indices, depth, op.like([0.0, 1.0], dy), axis=axis)), keepdims=0)
    off = op.Sub(op.ReduceSum(dy, keepdims=0), on)
    return ZERO, ZERO, op.Concat(op.Reshape(off, [1]), op.Reshape(on, [1]), axis=0)
