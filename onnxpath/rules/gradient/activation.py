"""Activation functions."""

from __future__ import annotations

from onnxpath.lowering.activation import clip_grad, relu_grad
from onnxpath.rules.gradient.table import gradient


@gradient("Relu")
def relu(op, dy, y, X):
    return relu_grad(op, dy, y)


@gradient("Clip", broadcasts=True)
def clip(op, dy, y, input, min=None, max=None):
    below = op.Where(op.Less(input, min), dy, op.like(0, dy)) if op.wants(1) else None
    above = op.Where(op.Greater(input, max), dy, op.like(0, dy)) if op.wants(2) else None
    return clip_grad(op, dy, y, min, max), below, above
