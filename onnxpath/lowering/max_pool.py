"""Max pooling backwards: each window gives its cotangent to its first maximum in scan order."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.lowering.activation import STEEP
from onnxpath.lowering.conv import Window, reach, taps
from onnxpath.lowering.dispatch import Lowering
from onnxpath.lowering.layout import blockable
from onnxpath.lowering.scatter import scatter_flat, size_of

MOST_TAPS = 9
LOWEST = float(np.finfo(np.float32).min)
EXACT_INTEGERS = 2**24
"""Up to here float32 counts exactly."""


@Lowering
def max_pool_grad(op: Emitter, dy: Tensor, x: Tensor, y: Tensor, w: Window, ceil_mode: int) -> Tensor:
    """Return the gradient of MaxPool's input; `w` from `window`."""
    # A MaxPool of its own for the indices beats adding that output to the forward one, which then runs slowly too.
    _, indices = op.MaxPool(x, outputs=2, pads=w["pads"], ceil_mode=ceil_mode, **taps(w))
    return scatter_flat(op, dy, indices, x)


@max_pool_grad.on("cpu")
def _max_pool_grad_by_taps(op: Emitter, dy: Tensor, x: Tensor, y: Tensor, w: Window, ceil_mode: int) -> Tensor:
    # MaxPool with indices leaves the blocked layout and is slow: 39 ms on [8, 64, 111, 111] against 24 for a depthwise
    # convolution per tap, and in SqueezeNet, whose values are harder to predict, three of them took 117 of 372 ms.
    if not _by_taps(x, y, w):
        return max_pool_grad.default(op, dy, x, y, w, ceil_mode)
    place = _places_in_plane(op, x, y, w)
    planes = op.Reshape(op.Range(0, size_of(op, x), math.prod(w["spatial"])), [-1, x.shape[1], 1, 1])
    # Beside an Inf or NaN no place is known: the gradient is NaN there, as the place is.
    known = op.Add(dy, op.Sub(place, place))
    indices = op.Add(op.Max(op.Cast(place, to=TensorProto.INT64), 0), planes)
    if reach(w) == w["kernel"] == w["strides"] and w["spatial"] == np.multiply(y.shape[2:], w["kernel"]).tolist():
        # Windows that do not overlap write each place once: 13 ms against 73 for ScatterND on [8, 64, 112, 112].
        return op.MaxUnpool(known, indices, kernel_shape=w["kernel"], strides=w["strides"])
    return scatter_flat(op, known, indices, x)


def _by_taps(x: Tensor, y: Tensor, w: Window) -> bool:
    """True for small windows on pictures of known size that ONNX Runtime keeps in its blocked layout."""
    if not _known(y, w) or not blockable(x):
        return False
    return math.prod(w["kernel"]) <= MOST_TAPS and math.prod(w["spatial"]) < EXACT_INTEGERS


def _known(y: Tensor, w: Window) -> bool:
    """True for pictures of known size, where each window but those of the padding's end holds an element."""
    if len(w["kernel"]) != 2 or not all(isinstance(size, int) for size in [*w["spatial"], *(y.shape or [None])[2:]]):
        return False
    # onnx's inference counts a window in ceil_mode that begins in the padding, which ONNX Runtime does not make.
    windows = zip(y.shape[2:], w["strides"], w["spatial"], w["pads"], strict=False)
    return all((count - 1) * stride < size + pad for count, stride, size, pad in windows)


def _places_in_plane(op: Emitter, x: Tensor, y: Tensor, w: Window) -> Tensor:
    """Return where in its flattened plane of `x` the first maximum of each window is."""
    (_, width), (step, across) = w["spatial"], w["dilations"]
    columns = w["kernel"][1]
    passed = _passed_taps(op, _framed(op, x, y, w), y, w)
    # From one tap to the next, and from the last of a row to the first of the next row.
    ends = passed[columns - 1 :: columns]
    inside = [p for i, p in enumerate(passed) if (i + 1) % columns]
    steps = [(inside, across), (ends, step * width - (columns - 1) * across)]
    counted = [op.Mul(op.sum(p), float(size)) if size != 1 else op.sum(p) for p, size in steps if p]
    rows, cols = (
        np.arange(count) * stride - pad
        for count, stride, pad in zip(y.shape[2:], w["strides"], w["pads"], strict=False)
    )
    corner = np.add.outer(rows * width, cols)[None, None]
    place: Tensor = op.Add(op.sum(counted), op.like(corner, x))
    return place


def _framed(op: Emitter, x: Tensor, y: Tensor, w: Window) -> Tensor:
    """Surround `x` so that every window is whole, with values that never win."""
    begin = w["pads"][:2]
    sizes = zip(y.shape[2:], w["strides"], reach(w), w["spatial"], begin, strict=True)
    end = [max(0, (count - 1) * stride + r - size - pad) for count, stride, r, size, pad in sizes]
    framed: Tensor = op.Pad(x, [*begin, *end], LOWEST, [2, 3]) if any(begin + end) else x
    return framed


def _passed_taps(op: Emitter, framed: Tensor, y: Tensor, w: Window) -> list[Tensor]:
    """Return for each tap but the last 1 where neither it nor one before it is the maximum, else 0."""
    kernel, channels = w["kernel"], framed.shape[1]
    passed: list[Tensor] = []
    for tap in range(math.prod(kernel) - 1):
        picked = np.zeros(kernel, np.float32)
        picked.flat[tap] = -1
        weight = op.Expand(op.like(picked[None, None], y), [channels, 1, *kernel])
        below = op.Add(op.Conv(framed, weight, group=channels, **taps(w)), y)
        lower = op.HardSigmoid(below, alpha=STEEP, beta=0.0)
        passed.append(op.Mul(passed[-1], lower) if passed else lower)
    return passed
