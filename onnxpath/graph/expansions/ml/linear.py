"""Linear models of ai.onnx.ml."""

from __future__ import annotations

from onnx import TensorProto

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.ml.features import as_float, row
from onnxpath.graph.expansions.ml.labels import class_count, label
from onnxpath.graph.expansions.ml.scores import TRANSFORMS


@expansion("ai.onnx.ml", "LinearRegressor")
def linear_regressor(op, X, *, coefficients, intercepts=(), targets=1, post_transform="NONE"):
    """Gemm, the post transform (of one target only PROBIT, as ONNX Runtime does it)."""
    y = affine(op, X, coefficients, intercepts, targets)
    return TRANSFORMS[post_transform](op, y) if targets > 1 or post_transform == "PROBIT" else y


@expansion("ai.onnx.ml", "LinearClassifier")
def linear_classifier(
    op, X, *, coefficients, intercepts=(), classlabels_ints=(), classlabels_strings=(), multi_class=0,
    post_transform="NONE",
):  # fmt: skip
    """Gemm, the post transform; the label of the largest score."""
    labels = class_count(classlabels_ints, classlabels_strings)
    count = len(intercepts) or labels
    scores = affine(op, X, coefficients, intercepts, count)
    if count == 1 and labels == 2:
        place = op.Cast(op.Greater(op.Squeeze(scores, [1]), 0.0), to=TensorProto.INT64)
        if post_transform == "PROBIT":
            raise UnsupportedOperator("LinearClassifier with one score and PROBIT is not spelled out; use two scores")
        scores = op.Sigmoid(scores) if post_transform == "LOGISTIC" else scores
        scores = op.Concat(op.Sub(op.like(1, scores), scores), scores, axis=1)
    else:
        place = op.ArgMax(scores, axis=1, keepdims=0)
        scores = TRANSFORMS[post_transform](op, scores)
    return label(op, place, classlabels_ints, classlabels_strings), scores


def affine(op, X, coefficients, intercepts, count):
    """Return X · coefficientsᵀ + intercepts, [N, count]."""
    weight = op.const(row(coefficients).reshape(count, -1))
    bias = op.const(row(intercepts)) if len(intercepts) else None
    return op.Gemm(as_float(op, X), weight, bias, transB=1)
