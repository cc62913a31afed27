"""From raw scores to the outputs of classifiers and regressors of ai.onnx.ml."""

from __future__ import annotations

import math

WINITZKI = 0.147
"""The constant of the approximation of the inverse error function that ONNX Runtime uses for PROBIT."""


def probit(op, p):
    """Return √2 · erf⁻¹(2p - 1), by Winitzki's approximation."""
    y = op.Sub(op.Mul(p, 2.0), 1.0)
    log = op.Log(op.Sub(op.like(1, p), op.Mul(y, y)))
    half = op.Add(op.Mul(log, 0.5), 2 / (math.pi * WINITZKI))
    root = op.Sqrt(op.Sub(op.Sqrt(op.Sub(op.Mul(half, half), op.Div(log, WINITZKI))), half))
    return op.Mul(op.Mul(op.Sign(y), root), math.sqrt(2))


def softmax_zero(op, x):
    """Return a softmax in which scores of zero stay zero and do not count."""
    counts = op.Greater(op.Abs(x), 1e-7)
    peak = op.ReduceMax(x, [1], keepdims=1)
    powers = op.Where(counts, op.Exp(op.Sub(x, peak)), op.Mul(x, op.Exp(op.Neg(peak))))
    total = op.ReduceSum(op.Where(counts, powers, op.like(0, x)), [1], keepdims=1)
    return op.Div(powers, op.Where(op.Equal(total, 0.0), op.like(1, x), total))


TRANSFORMS = {
    "NONE": lambda op, x: x,
    "LOGISTIC": lambda op, x: op.Sigmoid(x),
    "SOFTMAX": lambda op, x: op.Softmax(x, axis=1),
    "SOFTMAX_ZERO": softmax_zero,
    "PROBIT": probit,
}
"""The attribute `post_transform` -> spelling f(op, scores [N, classes])."""
