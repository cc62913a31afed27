"""Normalisation layers."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import rank
from onnxpath.rules.gradient.table import gradient


@gradient("BatchNormalization")
def batch_normalization(
    op, dy, y, X, scale, B, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0
):
    if training_mode:
        raise UnsupportedOperator("BatchNormalization in training mode has no gradient rule; export the model for inference")
    n = rank(X)
    column = [-1, *[1] * (n - 2)]
    others = [0, *range(2, n)]
    inverse = op.Reciprocal(op.Sqrt(op.Add(input_var, op.like(epsilon, input_var))))
    factor = op.Mul(scale, inverse)
    dX = op.Mul(dy, op.Reshape(factor, column)) if op.wants(0) else None
    total = op.ReduceSum(dy, others, keepdims=0) if any(op.wants(i) for i in (2, 3)) else None
    dscale = dmean = dvar = None
    if op.wants(1) or op.wants(4):
        centred = op.Sub(X, op.Reshape(input_mean, column))
        weighted = op.ReduceSum(op.Mul(dy, centred), others, keepdims=0)
        dscale = op.Mul(weighted, inverse)
        dvar = op.Mul(op.Mul(weighted, factor), op.Mul(op.Mul(inverse, inverse), op.like(-0.5, inverse)))
    if op.wants(3):
        dmean = op.Neg(op.Mul(total, factor))
    return dX, dscale, total, dmean, dvar
