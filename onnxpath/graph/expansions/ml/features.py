"""Feature preparation of ai.onnx.ml."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from onnxpath.errors import ShapeError
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.ml.labels import class_count, encode
from onnxpath.graph.ir import onnx_dtype, rank


def as_float(op, x):
    """Return x as float32, the only float type that operators of ai.onnx.ml give."""
    return x if onnx_dtype(x) == TensorProto.FLOAT else op.Cast(x, to=TensorProto.FLOAT)


def row(values):
    """Return an attribute's floats as an array of float32."""
    return np.asarray(values, np.float32)


@expansion("ai.onnx.ml", "Scaler")
def scaler(op, X, *, offset=(), scale=()):
    """(x - offset) · scale."""
    x = as_float(op, X)
    x = op.Sub(x, row(offset)) if np.any(row(offset)) else x
    return op.Mul(x, row(scale)) if len(scale) else x


@expansion("ai.onnx.ml", "Normalizer")
def normalizer(op, X, *, norm="MAX"):
    """x / max(x), x / Σ abs(x) or x / √Σx² over the features of a row."""
    x = as_float(op, X)
    axis = [rank(x) - 1]
    if norm == "MAX":
        size = op.ReduceMax(x, axis, keepdims=1)
    elif norm == "L1":
        size = op.ReduceSum(op.Abs(x), axis, keepdims=1)
    else:
        # At a row of zeros the root has no derivative, and the row stays as it is.
        squares = op.ReduceSum(op.Mul(x, x), axis, keepdims=1)
        size = op.Sqrt(op.Where(op.Equal(squares, 0.0), op.like(1, x), squares))
    return op.Div(x, op.Where(op.Equal(size, 0.0), op.like(1, x), size))


@expansion("ai.onnx.ml", "Imputer")
def imputer(
    op, X, *, imputed_value_floats=(), imputed_value_int64s=(), replaced_value_float=0.0, replaced_value_int64=0
):
    """Where x is the missing value, the imputed one."""
    if len(imputed_value_int64s):
        return op.Where(op.Equal(X, replaced_value_int64), np.asarray(imputed_value_int64s, np.int64), X)
    missing = op.IsNaN(X) if math.isnan(replaced_value_float) else op.Equal(X, replaced_value_float)
    return op.Where(missing, op.like(row(imputed_value_floats), X), X)


@expansion("ai.onnx.ml", "Binarizer")
def binarizer(op, X, *, threshold=0.0):
    """1 where x > threshold, else 0: its derivative is zero."""
    return op.Relu(op.Sign(op.Sub(X, op.like(threshold, X))))


@expansion("ai.onnx.ml", "FeatureVectorizer")
def feature_vectorizer(op, *inputs, inputdimensions=()):
    """Concat of the inputs' features."""
    parts = []
    for x, size in zip(inputs, inputdimensions or [None] * len(inputs), strict=True):
        flat = as_float(op, x if rank(x) == 2 else op.Flatten(x, axis=1) if rank(x) > 2 else op.Unsqueeze(x, [1]))
        if size is not None and flat.shape[1] != size:
            raise ShapeError(f"FeatureVectorizer takes {size} features of '{x.name}', which has {flat.shape[1]}")
        parts.append(flat)
    return op.Concat(*parts, axis=1)


@expansion("ai.onnx.ml", "ArrayFeatureExtractor")
def array_feature_extractor(op, X, Y):
    """Gather of features."""
    taken = op.Gather(X, op.Reshape(Y, [-1]), axis=rank(X) - 1)
    return op.Unsqueeze(taken, [0]) if rank(X) == 1 else taken


@expansion("ai.onnx.ml", "OneHotEncoder")
def one_hot_encoder(op, X, *, cats_int64s=(), cats_strings=(), zeros=1):
    """1 where x is the category, else 0: its derivative is zero."""
    if len(cats_strings):
        x, categories = encode(op, X, list(cats_strings), list(range(len(cats_strings)))), range(len(cats_strings))
    else:
        x, categories = op.Cast(X, to=TensorProto.INT64), cats_int64s
    return op.Cast(op.Equal(op.Unsqueeze(x, [-1]), list(categories)), to=TensorProto.FLOAT)


@expansion("ai.onnx.ml", "ZipMap")
def zip_map(op, X, *, classlabels_int64s=(), classlabels_strings=()):
    """The scores themselves, a tensor instead of a sequence of maps."""
    if X.dtype is None:
        # ONNX does not infer what a tree ensemble gives.
        X.dtype, X.shape = np.dtype(np.float32), [None, class_count(classlabels_int64s, classlabels_strings)]
    op.graph.notes.append(f"ZipMap was dropped: the scores of '{X.name}' are a tensor [N, classes], not maps")
    return op.Identity(X)
