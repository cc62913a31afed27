"""Pooling backwards."""

from __future__ import annotations

import math

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.lowering.conv import Window, fit, reach, spatial_of
from onnxpath.lowering.dispatch import Lowering


@Lowering
def max_pool_grad(op: Emitter, dy: Tensor, x: Tensor, y: Tensor, w: Window, ceil_mode: int) -> Tensor:
    """Return the gradient of MaxPool's input: each window gives its cotangent to its first maximum in scan order."""
    # A MaxPool of its own for the indices beats adding that output to the forward one, which then runs slowly too.
    _, indices = op.MaxPool(
        x, outputs=2, kernel_shape=w["kernel"], strides=w["strides"], pads=w["pads"], dilations=w["dilations"],
        ceil_mode=ceil_mode,
    )
    zeros = op.Reshape(op.Mul(x, op.like(0, x)), [-1])
    flat = op.ScatterND(zeros, op.Reshape(indices, [-1, 1]), op.Reshape(dy, [-1]), reduction="add")
    return op.reshape_like(flat, x)


@Lowering
def average_pool_grad(
    op: Emitter, dy: Tensor, x: Tensor, w: Window, ceil_mode: int, count_include_pad: int
) -> Tensor:
    """Return the gradient of AveragePool's input: every element of a window gets an equal share."""
    if _one_window(w):
        return op.Expand(op.Mul(dy, op.like(1 / math.prod(w["kernel"]), dy)), op.shape_of(x))  # type: ignore[no-any-return]
    share = _shares(op, dy, x, w, ceil_mode, count_include_pad)
    # Channels go to the batch axis: one kernel of ones serves any number of them.
    folded = op.Reshape(share, op.Concat(op.const([-1, 1]), spatial_of(op, dy), axis=0))
    spread = op.ConvTranspose(
        folded, op.Expand(op.like(1, dy), [1, 1, *w["kernel"]]), strides=w["strides"], dilations=w["dilations"]
    )
    lead = op.Slice(op.Shape(x), [0], [2], [0])
    return fit(op, op.Reshape(spread, op.Concat(lead, spatial_of(op, spread), axis=0)), x, w["pads"])


def _one_window(w: Window) -> bool:
    return w["spatial"] == w["kernel"] == reach(w) and not any(w["pads"])


def _shares(op: Emitter, dy: Tensor, x: Tensor, w: Window, ceil_mode: int, count_include_pad: int) -> Tensor:
    padded = any(w["pads"])
    if not ceil_mode and (count_include_pad or not padded):
        return op.Mul(dy, op.like(1 / math.prod(w["kernel"]), dy))  # type: ignore[no-any-return]
    # How many elements each window averages: where ones are averaged with the padding counted, count = share * kernel.
    ones = op.Expand(op.like(1, dy), op.Concat(op.const([1, 1]), spatial_of(op, x), axis=0))
    counts = _window_sums(op, dy, ones, w, ceil_mode, count_include_pad)
    return op.Div(dy, counts)  # type: ignore[no-any-return]


def _window_sums(
    op: Emitter, dy: Tensor, ones: Tensor, w: Window, ceil_mode: int, count_include_pad: int
) -> Tensor:
    """Count the elements of each window by pooling ones with a divisor that is known: the sum over the whole kernel."""
    n = len(w["kernel"])
    pads, strides = w["pads"], w["strides"]
    fill = 1.0 if count_include_pad else 0.0
    framed = op.Pad(ones, [0, 0, *pads[:n], 0, 0, *pads[n:]], op.like(fill, ones)) if any(pads) else ones
    if ceil_mode:
        # A last window may hang over the padded end; what hangs over is never counted.
        framed = op.Pad(framed, [0] * (n + 2) + [0, 0] + [s - 1 for s in strides], op.like(0, ones))
    total = op.AveragePool(framed, kernel_shape=w["kernel"], strides=strides, dilations=w["dilations"])
    if ceil_mode:
        # A window that would start in the padding at the end is not made by the forward operator.
        total = op.Slice(total, [0] * n, spatial_of(op, dy), list(range(2, 2 + n)))
    return op.Mul(total, op.like(math.prod(w["kernel"]), ones))  # type: ignore[no-any-return]
