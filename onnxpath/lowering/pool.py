"""Average pooling backwards."""

from __future__ import annotations

import math

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.lowering.conv import Window, fit, reach, spatial_of, taps, with_spatial
from onnxpath.lowering.dispatch import Lowering


@Lowering
def average_pool_grad(op: Emitter, dy: Tensor, x: Tensor, w: Window, ceil_mode: int, count_include_pad: int) -> Tensor:
    """Return the gradient of AveragePool's input: every element of a window gets an equal share."""
    if _one_window(w):
        return op.Expand(op.Mul(dy, 1 / math.prod(w["kernel"])), op.shape_of(x))
    return spread(op, _shares(op, dy, x, w, ceil_mode, count_include_pad), x, w)


def spread(op: Emitter, share: Tensor, x: Tensor, w: Window) -> Tensor:
    """Add `share`, one value per window, to every element of the window; return the shape of `x`."""
    # Channels go to the batch axis: one kernel of ones serves any number of them.
    folded = op.Reshape(share, with_spatial(op, [-1, 1], share))
    full = op.ConvTranspose(folded, op.like(np.ones([1, 1, *w["kernel"]]), share), **taps(w))
    return op.reshape_like(fit(op, full, x, w["pads"]), x)


def _one_window(w: Window) -> bool:
    return w["spatial"] == w["kernel"] == reach(w) and not any(w["pads"])


def _shares(op: Emitter, dy: Tensor, x: Tensor, w: Window, ceil_mode: int, count_include_pad: int) -> Tensor:
    padded = any(w["pads"])
    if not ceil_mode and (count_include_pad or not padded):
        return op.Mul(dy, 1 / math.prod(w["kernel"]))
    ones = op.Expand(op.like(1, dy), with_spatial(op, [1, 1], x))
    return op.Div(dy, _window_counts(op, dy, ones, w, ceil_mode, count_include_pad))


def _window_counts(op: Emitter, dy: Tensor, ones: Tensor, w: Window, ceil_mode: int, count_include_pad: int) -> Tensor:
    """Count the elements that each window averages: the sum of ones, zeros where none count."""
    n = len(w["kernel"])
    pads, strides = w["pads"], w["strides"]
    framed = op.Pad(ones, [0, 0, *pads[:n], 0, 0, *pads[n:]], float(count_include_pad)) if any(pads) else ones
    if ceil_mode:
        # A last window may hang over the padded end; what hangs over is never counted.
        framed = op.Pad(framed, [0] * (n + 4) + [s - 1 for s in strides])
    # Not an AveragePool: ONNX Runtime would fuse the Pad into it, and then refuses pads as wide as the kernel.
    total = op.Conv(framed, op.like(np.ones([1, 1, *w["kernel"]]), dy), **taps(w))
    if ceil_mode:
        # A window that would start in the padding at the end is not made by the forward operator.
        total = op.Slice(total, [0] * n, spatial_of(op, dy), list(range(2, 2 + n)))
    return total
