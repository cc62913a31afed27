"""Normalisation layers."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient.table import gradient


@gradient("BatchNormalization")
def batch_normalization(op, dy, y, X, scale, B, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    if training_mode:
        raise UnsupportedOperator(f"BatchNormalization '{y.name}' is in training mode; export it for inference")
    column = [-1, *[1] * (rank(X) - 2)]
    others = [0, *range(2, rank(X))]
    inverse = op.Reciprocal(op.Sqrt(op.Add(input_var, epsilon)))
    factor = op.Mul(scale, inverse)
    dX = op.Mul(dy, op.Reshape(factor, column)) if op.wants(0) else None
    total = op.ReduceSum(dy, others, keepdims=0) if op.wants(2) or op.wants(3) else None
    dmean = op.Neg(op.Mul(total, factor)) if op.wants(3) else None
    dscale = dvar = None
    if op.wants(1) or op.wants(4):
        normal = op.Mul(op.Sub(X, op.Reshape(input_mean, column)), op.Reshape(inverse, column))
        dscale = op.ReduceSum(op.Mul(dy, normal), others, keepdims=0)
        dvar = op.Mul(op.Mul(dscale, scale), op.Mul(op.Mul(inverse, inverse), -0.5))
    return dX, dscale, total, dmean, dvar


@gradient("LayerNormalization", broadcasts=True)
def layer_normalization(op, dy, y, X, Scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    axes = list(range(axis % rank(X), rank(X)))
    # The node's own Mean and InvStdDev are float32 even for a float64 model, so they are computed anew.
    x, g, scale = (in_dtype(op, t, accumulator(X, stash_type)) for t in (X, dy, Scale))
    centred = op.Sub(x, op.ReduceMean(x, axes))
    inverse = op.Reciprocal(op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), axes), epsilon)))
    normal = op.Mul(centred, inverse)
    dX = dScale = None
    if op.wants(0):
        scaled = op.Mul(g, scale)
        along = op.Mul(normal, op.ReduceMean(op.Mul(scaled, normal), axes))
        dX = op.Mul(op.Sub(op.Sub(scaled, op.ReduceMean(scaled, axes)), along), inverse)
        dX = in_dtype(op, dX, onnx_dtype(X))
    if op.wants(1):
        dScale = in_dtype(op, op.Mul(g, normal), onnx_dtype(Scale))
    return dX, dScale, dy
