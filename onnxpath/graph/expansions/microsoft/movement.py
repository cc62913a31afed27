"""Small operators of com.microsoft that ai.onnx has under another form."""

from __future__ import annotations

import numpy as np

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.ir import Constant, rank


@expansion("com.microsoft", "BiasAdd")
def bias_add(op, X, bias, skip):
    """Add, Add."""
    return op.Add(op.Add(X, bias), skip)


@expansion("com.microsoft", "BiasDropout")
def bias_dropout(op, data, bias, residual=None, ratio=None, training_mode=None, *, seed=None):
    """Add, Add; outside of training nothing is dropped."""
    if training_mode is not None and not (isinstance(training_mode, Constant) and not np.any(training_mode.values)):
        raise UnsupportedOperator("BiasDropout may be in training mode; export the model for inference")
    y = op.Add(data, bias)
    kept = op.Expand(op.const(True), op.shape_of(y))
    return (y if residual is None else op.Add(y, residual)), kept


@expansion("com.microsoft", "BiasSoftmax")
def bias_softmax(op, data, bias, *, is_inner_broadcast, axis=1):
    """Add, Softmax over all axes from `axis` on."""
    total = op.Add(data, bias)
    if axis % rank(total) == rank(total) - 1:
        return op.Softmax(total, axis=-1)
    return op.reshape_like(op.Softmax(op.Flatten(total, axis=axis), axis=-1), total)


@expansion("com.microsoft", "ExpandDims")
def expand_dims(op, X, axis):
    """Unsqueeze."""
    return op.Unsqueeze(X, op.Reshape(op.Cast(axis, to=7), [1]))


@expansion("com.microsoft", "GatherND")
def gather_nd(op, data, indices):
    """GatherND."""
    return op.GatherND(data, op.Cast(indices, to=7))


@expansion("com.microsoft", "Pad")
def pad(op, data, pads, value=None, *, mode="constant"):
    """Pad."""
    return op.Pad(data, op.Reshape(pads, [-1]), None if value is None else op.Reshape(value, []), mode=mode)


@expansion("com.microsoft", "Trilu")
def trilu(op, X, k=None, *, upper=1):
    """Trilu."""
    return op.Trilu(X, k, upper=upper)
