"""Class probabilities from those of the pairs of classes (Wu, Lin and Weng, 2004, their second method)."""

from __future__ import annotations

import itertools

import numpy as np

LEAST = 1e-7
"""No pair is more certain than this."""


def coupled(op, scores, a, b, classes):
    """Return the class probabilities [N, classes] of one-against-one scores [N, pairs].

    The probability of a pair's first class is 1 / (1 + exp(a · score + b)). The class probabilities p minimise
    Σ (r_ji p_i - r_ij p_j)² over the pairs. Kernels approach that p in steps, and stop at an error of 0.005 / classes;
    this is the p itself.
    """
    certain = op.Sigmoid(op.Neg(op.Add(op.Mul(scores, a), b)))
    first = op.Clip(certain, op.like(LEAST, scores), op.like(1 - LEAST, scores))
    if classes == 2:
        return op.Concat(first, op.Sub(op.like(1, first), first), axis=1)
    matrix = op.Add(_normal_matrix(op, first, classes), np.ones((1, classes, classes), np.float32))
    column = op.Expand(op.like(np.ones((1, classes, 1)), scores), op.Concat(op.Shape(scores, end=1), [1, 1], axis=0))
    p = op.Squeeze(_solved(op, op.Concat(matrix, column, axis=2), classes), [2])
    return op.Div(p, op.ReduceSum(p, [1], keepdims=1))


def _normal_matrix(op, first, classes):
    """Q [N, classes, classes]: Σ_j r_ji² on the diagonal, -r_ji r_ij beside it; Q p = -b · 1 at the minimum."""
    pairs = list(itertools.combinations(range(classes), 2))
    own, other = np.zeros((2, len(pairs), classes, classes), np.float32)
    for index, (i, j) in enumerate(pairs):
        # r_ji is the chance of j against i: it weighs p_i.
        own[index, j, j], other[index, i, i] = 1, 1
    cross = np.stack([np.zeros((classes, classes), np.float32)] * len(pairs))
    for index, (i, j) in enumerate(pairs):
        cross[index, i, j] = cross[index, j, i] = 1
    second = op.Sub(op.like(1, first), first)

    def placed(values, where):
        flat = op.MatMul(values, op.const(where.reshape(len(pairs), -1)))
        return op.Reshape(flat, [-1, classes, classes])

    squares = op.Add(placed(op.Mul(first, first), own), placed(op.Mul(second, second), other))
    return op.Sub(squares, placed(op.Mul(first, second), cross))


def _solved(op, system, classes):
    """Gauss and Jordan's elimination of [N, classes, classes + 1], positive definite, so that no pivot is searched."""
    for index in range(classes):
        pivot_row = op.Slice(system, [index], [index + 1], [1])
        pivot_row = op.Div(pivot_row, op.Slice(pivot_row, [index], [index + 1], [2]))
        unit = np.zeros((1, classes, 1), np.float32)
        unit[0, index] = 1
        column = op.Sub(op.Slice(system, [index], [index + 1], [2]), unit)
        system = op.Sub(system, op.Mul(column, pivot_row))
    return op.Slice(system, [classes], [classes + 1], [2])
