"""Undo broadcasting: sum a gradient over the axes along which its input was repeated."""

from __future__ import annotations

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, rank, same_dim


def unbroadcast(op: Emitter, grad: Tensor, x: Tensor) -> Tensor:
    """Return `grad` summed to the shape of `x`, which broadcasting had extended; sizes may be open until run time."""
    extra = rank(grad) - rank(x)
    surplus = list(range(extra))
    unsure = False
    for axis, (size, wide) in enumerate(zip(x.shape, grad.shape[extra:], strict=True), start=extra):
        if size == 1 and wide != 1:
            surplus.append(axis)
        elif size != 1 and not isinstance(size, int) and not same_dim(size, wide):
            # An int above 1 can only meet itself; a symbol may turn out to be 1.
            unsure = True
    if unsure:
        return _at_run_time(op, grad, x, extra)
    if surplus:
        grad = op.ReduceSum(grad, surplus, keepdims=1)
    return op.reshape_like(grad, x) if extra else grad


def _at_run_time(op: Emitter, grad: Tensor, x: Tensor, extra: int) -> Tensor:
    shape = op.Shape(x)
    padded = op.Concat(op.const(np.ones(extra, np.int64)), shape, axis=0) if extra else shape
    axes = op.Reshape(op.NonZero(op.Equal(padded, op.const(1))), [-1])
    summed = op.ReduceSum(grad, axes, keepdims=1, noop_with_empty_axes=1)
    made: Tensor = op.Reshape(summed, shape, allowzero=1)
    made.shape = list(x.shape)
    return made
