"""Support vector machines of ai.onnx.ml."""

from __future__ import annotations

import itertools

import numpy as np
from onnx import TensorProto

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.ml.coupling import coupled
from onnxpath.graph.expansions.ml.features import as_float, row
from onnxpath.graph.expansions.ml.labels import class_count, label
from onnxpath.graph.expansions.ml.linear import affine
from onnxpath.graph.expansions.ml.scores import TRANSFORMS


@expansion("ai.onnx.ml", "SVMRegressor")
def svm_regressor(
    op, X, *, coefficients, rho=(0.0,), n_supports=0, support_vectors=(), kernel_type="LINEAR", kernel_params=(),
    one_class=0, post_transform="NONE",
):  # fmt: skip
    """The kernel, Gemm; with one_class 1 or -1, whose derivative is zero. ONNX Runtime reads no post_transform."""
    if n_supports:
        kernel = kernels(op, X, row(support_vectors).reshape(n_supports, -1), kernel_type, kernel_params)
        y = op.Add(op.MatMul(kernel, row(coefficients)[:, None]), row(rho[:1]))
    else:
        y = affine(op, X, coefficients, rho[:1], 1)
    return op.Sub(op.Mul(op.Relu(op.Sign(y)), 2.0), 1.0) if one_class else y


@expansion("ai.onnx.ml", "SVMClassifier")
def svm_classifier(
    op, X, *, coefficients, rho=(0.0,), vectors_per_class=(), support_vectors=(), kernel_type="LINEAR",
    kernel_params=(), prob_a=(), prob_b=(), classlabels_ints=(), classlabels_strings=(), post_transform="NONE",
):  # fmt: skip
    """The kernel, Gemm one class against one, Platt's probabilities; the label that most pairs vote for."""
    classes = class_count(classlabels_ints, classlabels_strings)
    if not len(vectors_per_class):
        scores = affine(op, X, coefficients, [rho[0]] * classes, classes)
        place = _place_of_linear(op, scores, classes, 0.5 if min(coefficients) >= 0 else 0.0)
        return label(op, place, classlabels_ints, classlabels_strings), TRANSFORMS[post_transform](op, scores)
    vectors = row(support_vectors).reshape(sum(vectors_per_class), -1)
    weights = one_against_one(row(coefficients), list(vectors_per_class))
    kernel = kernels(op, X, vectors, kernel_type, kernel_params)
    scores = op.Gemm(kernel, op.const(weights), op.const(row(rho)))
    place = op.ArgMax(votes(op, scores, classes), axis=1, keepdims=0)
    if len(prob_a):
        op.graph.notes.append(
            "the probabilities of SVMClassifier are the exact solution of their equations; "
            f"ONNX Runtime's kernel stops within about {0.005 / classes:.1g} of it"
        )
        scores = TRANSFORMS[post_transform](op, coupled(op, scores, row(prob_a), row(prob_b), classes))
    else:
        scores = _pair(op, scores, post_transform) if classes == 2 else TRANSFORMS[post_transform](op, scores)
    return label(op, place, classlabels_ints, classlabels_strings), scores


def kernels(op, X, vectors, kind, parameters):
    """Return the kernel of each row of X [N, F] with each support vector [S, F], as [N, S]."""
    gamma, offset, degree = (*parameters, 0.0, 0.0, 3.0)[:3] if len(parameters) else (0.0, 0.0, 3.0)
    x = as_float(op, X)
    if kind == "RBF":
        # |x - s|² by its three terms, about the middle of the support vectors, where they cancel least.
        middle = vectors.astype(np.float64).mean(0)
        centred = (vectors - middle).astype(np.float32)
        x = op.Sub(x, middle.astype(np.float32))
        product = op.MatMul(x, op.const(np.ascontiguousarray(centred.T)))
        squares = op.Add(op.ReduceSum(op.Mul(x, x), [1], keepdims=1), row((centred.astype(np.float64) ** 2).sum(1)))
        return op.Exp(op.Mul(op.Sub(squares, op.Mul(product, 2.0)), -gamma))
    product = op.MatMul(x, op.const(np.ascontiguousarray(vectors.T)))
    if kind == "LINEAR":
        return product
    inner = op.Add(op.Mul(product, gamma), offset)
    return op.Tanh(inner) if kind == "SIGMOID" else op.Pow(inner, op.like(degree, inner))


def one_against_one(coefficients, counts):
    """Return the weights [S, pairs] of the support vectors in each pair's score, pairs (0, 1), (0, 2), ..., (1, 2).

    coefficients: [(classes - 1) · S]: a vector of class i has its weight against class j in row j - 1 or j.
    """
    table = coefficients.reshape(len(counts) - 1, -1)
    owner = np.repeat(np.arange(len(counts)), counts)
    pairs = list(itertools.combinations(range(len(counts)), 2))
    columns = [np.where(owner == i, table[j - 1], 0) + np.where(owner == j, table[i], 0) for i, j in pairs]
    return np.stack(columns, 1).astype(np.float32)


def votes(op, scores, classes):
    """Return how many pairs each class wins, [N, classes]: a positive score is a vote for the pair's first class."""
    pairs = list(itertools.combinations(range(classes), 2))
    first, second = np.zeros((2, len(pairs), classes), np.float32)
    for index, (i, j) in enumerate(pairs):
        first[index, i], second[index, j] = 1, 1
    won = op.Cast(op.Greater(scores, 0.0), to=TensorProto.FLOAT)
    return op.Add(op.MatMul(won, op.const(first)), op.MatMul(op.Sub(op.like(1, won), won), op.const(second)))


def _pair(op, score, transform):
    """The two scores of a model of two classes, from its one."""
    if transform == "PROBIT":
        raise UnsupportedOperator("SVMClassifier with one score and PROBIT is not spelled out")
    if transform in ("NONE", "LOGISTIC"):
        both = op.Concat(op.Neg(score), score, axis=1)
        return op.Sigmoid(both) if transform == "LOGISTIC" else both
    return op.Concat(op.Sub(op.like(1, score), score), score, axis=1)


def _place_of_linear(op, scores, classes, threshold):
    """The largest score; of two classes also the second where that score passes, as ONNX Runtime reads them."""
    largest = op.ArgMax(scores, axis=1, keepdims=0)
    if classes > 2:
        return largest
    passes = op.GreaterOrEqual if threshold else op.Greater
    return op.Max(largest, op.Cast(passes(op.ReduceMax(scores, [1], keepdims=0), threshold), to=TensorProto.INT64))
