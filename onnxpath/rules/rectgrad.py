"""Rectified gradient: what an activation passes on is what contributes most to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from onnx import TensorProto

from onnxpath.errors import InputError
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient import gradient
from onnxpath.rules.ruleset import RuleSet
from onnxpath.rules.variants import RECTIFIERS


def rectgrad(rows: Mapping[str, int | None], q: float) -> RuleSet:
    """Return the rule set for a graph: ReLU (and Clip) passes R on where a · R is above its q-th percentile in the row.

    rows: the axis that counts rows, by tensor name. Raises InputError unless 0 <= q <= 100.
    """
    if not 0 <= q <= 100:
        raise InputError(f"q is a percentile, between 0 and 100; {q} was given")
    rules = RuleSet("rectgrad", gradient, about="ReLU (and Clip) passes on what contributes most (Kim et al., 2019)")
    for operator in RECTIFIERS:
        rules(operator, broadcasts=True)(_above_percentile(rows, q))
    return rules


def _above_percentile(rows: Mapping[str, int | None], q: float) -> Callable[..., Any]:
    def rule(op: Emitter, dy: Tensor, y: Tensor, x: Tensor, *bounds: Any) -> tuple[Any, ...]:
        contribution = op.Mul(*(in_dtype(op, t, accumulator(y)) for t in (y, dy)))
        axis = rows.get(y.name) or 0
        order = [axis, *(a for a in range(rank(y)) if a != axis)]
        first = op.Transpose(contribution, perm=order) if axis else contribution
        flat = op.Reshape(first, [0, -1])
        largest, _ = op.TopK(flat, _count(op, y, flat, axis, q), axis=1, outputs=2)
        # Of percentiles between two values, all let the same pass: what is above the lower one.
        threshold = op.Unsqueeze(op.Gather(largest, op.const(-1), axis=1), [a for a in range(rank(y)) if a != axis])
        return op.Where(op.Greater(contribution, threshold), dy, 0), *(None for _ in bounds)

    return rule


def _count(op: Emitter, y: Tensor, flat: Tensor, axis: int, q: float) -> Tensor:
    """Return how many values of a row are not below the one at its q-th percentile, int64 [1]."""
    sizes = [d for a, d in enumerate(y.shape) if a != axis]
    if all(isinstance(d, int) for d in sizes):
        size = math.prod(sizes)
        return op.const([size - math.floor(q / 100 * (size - 1))])
    size = op.Shape(flat, start=1, end=2)
    place = op.Floor(op.Mul(op.Cast(op.Sub(size, 1), to=TensorProto.DOUBLE), q / 100))
    count: Tensor = op.Sub(size, op.Cast(place, to=onnx_dtype(size)))
    return count
