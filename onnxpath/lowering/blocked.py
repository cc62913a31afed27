"""Pictures filtered and interleaved along one axis by operators that ONNX Runtime runs in its blocked layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, same_dim
from onnxpath.lowering.layout import as_activation


def filtered(op: Emitter, x: Tensor, axis: int, weights: Mapping[int, float], count: int, stride: int = 1) -> Tensor:
    """Return, for i below `count`, the sum of weight · x[i · stride + place] along a spatial axis (2 | 3) of a picture.

    weights: place -> weight, the same for all channels; outside of `x` is zero.
    """
    size, channels = int(x.shape[axis]), int(x.shape[1])
    if dict(weights) == {0: 1} and stride == 1 and count == size:
        return x
    begin = max(0, -min(weights))
    kernel = [float(weights.get(place, 0)) for place in range(-begin, max(weights) + 1)]
    end = max(0, (count - 1) * stride + max(weights) + 1 - size)
    # A kernel that is longer by zeros makes no more than what was asked for.
    kernel += [0.0] * max(0, begin + size + end - len(kernel) - count * stride + 1)
    weight = op.Expand(
        op.like(np.reshape(kernel, along(axis, len(kernel))), x), [channels, 1, *along(axis, len(kernel))]
    )
    return op.Conv(
        x, weight, group=channels, strides=along(axis, stride), pads=[*along(axis, begin, 0), *along(axis, end, 0)]
    )


def along(axis: int, value: int, other: int = 1) -> list[int]:
    """Return `value` at a spatial axis (2 | 3) and `other` at the other one."""
    return [value, other] if axis == 2 else [other, value]


def interleaved(op: Emitter, phases: Sequence[Sequence[Tensor | None]], height: int, width: int) -> Tensor:
    """Return the picture of which `phases[i][j]` has the rows i, i + n, ... and the columns j, j + m, ...

    phases: n lists of m pictures of one shape, None where all are zero; height, width: what it is cut at.
    """
    (n, m), some = (len(phases), len(phases[0])), next(p for row in phases for p in row if p is not None)
    joined = some
    if n * m > 1:
        # With channels last, what is moved is contiguous, and ONNX Runtime leaves and enters the blocked layout by way
        # of it: 9 ms for [8, 64, 112, 112] where DepthToSpace takes 27 and parts repeated, masked and added 15.
        rows, channels, h, w = some.shape
        zero = op.zeros_like(some) if any(p is None for row in phases for p in row) else some
        last = [[op.Transpose(zero if p is None else p, perm=[0, 2, 3, 1]) for p in row] for row in phases]
        whole = [op.Reshape(_woven(op, row, 3), [-1, h, w * m, channels]) for row in last]
        last_channels = op.Reshape(_woven(op, whole, 2), [-1, h * n, w * m, channels])
        joined = op.Transpose(last_channels, perm=[0, 3, 1, 2])
        joined.shape = [rows, channels, h * n, w * m]
    cut = filtered(op, filtered(op, joined, 2, {0: 1}, height), 3, {0: 1}, width)
    return as_activation(op, cut) if n * m > 1 and cut is joined else cut


def _woven(op: Emitter, parts: Sequence[Tensor], axis: int) -> Tensor:
    made: Tensor = op.Concat(*(op.Unsqueeze(part, [axis]) for part in parts), axis=axis) if len(parts) > 1 else parts[0]
    return made


def plane(op: Emitter, values: np.ndarray[Any, Any], like: Tensor) -> Tensor:
    """Return known values, which broadcast over the spatial axes, in the shape of a picture.

    What broadcasts leaves the blocked layout, and so does a constant: a convolution that reads one channel does not.
    """
    rows, channels, *spatial = like.shape
    image = op.like(np.broadcast_to(values, spatial)[None, None], like)
    one = op.Expand(image, op.Concat(_rows(op, like), op.const([1, *spatial]), axis=0))
    one.shape = [rows, 1, *spatial]
    made: Tensor = op.Conv(one, op.Expand(op.like(np.ones([1, 1, 1, 1]), like), [channels, 1, 1, 1]))
    return made


def _rows(op: Emitter, x: Tensor) -> Tensor:
    """Return the number of rows, [1], from an input where that is certain: what is asked leaves the blocked layout."""
    known = x.shape[0]
    if isinstance(known, int):
        return op.const([known])
    fed = [t for t in op.graph.inputs if t.shape and same_dim(t.shape[0], known)]
    made: Tensor = op.Shape(fed[0] if fed else x, start=0, end=1)
    return made
