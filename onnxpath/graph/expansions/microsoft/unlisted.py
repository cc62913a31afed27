"""Operators that ONNX Runtime writes into ai.onnx, at opsets whose standard does not have them.

The import gives them the domain com.microsoft: its optimizer puts LayerNormalization into models below opset 17.
"""

from __future__ import annotations

import numpy as np

from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.microsoft.activation import parametric_softplus, scaled_tanh
from onnxpath.graph.ir import rank

expansion("com.microsoft", "ScaledTanh")(scaled_tanh)
expansion("com.microsoft", "ParametricSoftplus")(parametric_softplus)


@expansion("com.microsoft", "LayerNormalization")
def layer_normalization(op, X, Scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    """LayerNormalization as of opset 17."""
    return op.LayerNormalization(X, Scale, B, axis=axis, epsilon=epsilon, stash_type=stash_type, outputs=3)


@expansion("com.microsoft", "Affine")
def affine(op, X, *, alpha=1.0, beta=0.0):
    """alpha · x + beta."""
    return op.Add(op.Mul(X, alpha), beta)


@expansion("com.microsoft", "ImageScaler")
def image_scaler(op, input, *, scale=1.0, bias=()):
    """scale · x, and a bias for each channel."""
    y = op.Mul(input, scale)
    return op.Add(y, op.like(np.reshape(bias, (-1, *[1] * (rank(input) - 2))), y)) if len(bias) else y
