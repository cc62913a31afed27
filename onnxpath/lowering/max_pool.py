"""Max pooling backwards: each window gives its cotangent to its first maximum in scan order."""

from __future__ import annotations

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.lowering.activation import STEEP
from onnxpath.lowering.blocked import along, filtered, interleaved, plane
from onnxpath.lowering.conv import Window, taps
from onnxpath.lowering.dispatch import Lowering
from onnxpath.lowering.layout import blockable
from onnxpath.lowering.scatter import scatter_flat

WIDEST = 5
"""Elements along an axis of the widest window that was measured."""


@Lowering
def max_pool_grad(op: Emitter, dy: Tensor, x: Tensor, y: Tensor, w: Window, ceil_mode: int) -> Tensor:
    """Return the gradient of MaxPool's input; `w` from `window`."""
    # A MaxPool of its own for the indices beats adding that output to the forward one, which then runs slowly too.
    _, indices = op.MaxPool(x, outputs=2, pads=w["pads"], ceil_mode=ceil_mode, **taps(w))
    return scatter_flat(op, dy, indices, x)


@max_pool_grad.on("cpu")
def _max_pool_grad_by_axes(op: Emitter, dy: Tensor, x: Tensor, y: Tensor, w: Window, ceil_mode: int) -> Tensor:
    # The first maximum in scan order is the first column that holds it in the first row that holds it, so a window is a
    # column of maxima over rows. All of it stays blocked and runs in threads; the kernels for indices and ScatterND do
    # neither. SqueezeNet with its input gradient, two threads: 124 ms against 137 for a convolution per element of the
    # window that finds its place, and ScatterND; ResNet-18 336 against 358.
    if not (blockable(x) and _known(y, w) and max(w["kernel"]) <= WIDEST):
        return max_pool_grad.default(op, dy, x, y, w, ceil_mode)
    rows, columns = _Axis(w, x, y, 2), _Axis(w, x, y, 3)
    across = columns.pooled(op, x)
    return columns.grad(op, rows.grad(op, dy, across, y), x, across)


class _Axis:
    """The windows along one spatial axis (2 | 3)."""

    def __init__(self, w: Window, x: Tensor, y: Tensor, axis: int) -> None:
        self.axis, self.size, self.count = axis, int(x.shape[axis]), int(y.shape[axis])
        kernel, self.stride, self.dilation = (w[key][axis - 2] for key in ("kernel", "strides", "dilations"))
        self.before = w["pads"][axis - 2]
        self.places = [tap * self.dilation - self.before for tap in range(kernel)]

    def pooled(self, op: Emitter, x: Tensor) -> Tensor:
        """Return the maxima of `x` along this axis alone."""
        after = max(0, (self.count - 1) * self.stride + self.places[-1] + 1 - self.size)
        made: Tensor = op.MaxPool(
            x,
            kernel_shape=along(self.axis, len(self.places)),
            strides=along(self.axis, self.stride),
            dilations=along(self.axis, self.dilation),
            pads=[*along(self.axis, self.before, 0), *along(self.axis, after, 0)],
        )
        return made

    def grad(self, op: Emitter, dy: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the gradient of `x`, whose maxima along this axis are `y`."""
        # What is left for a tap and those behind it: dy, until the maximum is found.
        left = [dy]
        for place in self.places[:-1]:
            below = op.Add(filtered(op, x, self.axis, {place: -1}, self.count, self.stride), self._beyond(op, y, place))
            left.append(op.Mul(left[-1], op.HardSigmoid(below, alpha=STEEP, beta=0.0)))
        phases = [self._phase(op, left, phase) for phase in range(self.stride)]
        if self.axis == 2:
            return interleaved(op, [[phase] for phase in phases], self.size, int(x.shape[3]))
        return interleaved(op, [phases], int(x.shape[2]), self.size)

    def _beyond(self, op: Emitter, y: Tensor, place: int) -> Tensor:
        """Return the maxima, Inf where the tap is in the padding before the first element, which never wins."""
        if place >= 0:
            return y
        outside = np.where(np.arange(self.count) * self.stride + place < 0, np.inf, 0)
        made: Tensor = op.Add(plane(op, outside.reshape(along(self.axis, -1)), y), y)
        return made

    def _phase(self, op: Emitter, left: list[Tensor], phase: int) -> Tensor | None:
        """Return the gradient of every stride-th element from `phase` on, None where no window holds one."""
        # A tap takes what is left for it, less what is left behind it.
        weights: list[dict[int, float]] = [{} for _ in [*left, left[-1]]]
        for tap, place in enumerate(self.places):
            if place % self.stride == phase:
                window = (phase - place) // self.stride
                weights[tap][window] = weights[tap].get(window, 0) + 1
                weights[tap + 1][window] = weights[tap + 1].get(window, 0) - 1
        count = -(-self.size // self.stride)
        terms = [filtered(op, t, self.axis, w, count) for t, w in zip(left, weights, strict=False) if w]
        return op.sum(terms) if terms else None


def _known(y: Tensor, w: Window) -> bool:
    """True for pictures of known size, where each window but those of the padding's end holds an element."""
    if len(w["kernel"]) != 2 or not all(isinstance(size, int) for size in [*w["spatial"], *(y.shape or [None])[2:]]):
        return False
    # onnx's inference counts a window in ceil_mode that begins in the padding, which ONNX Runtime does not make.
    windows = zip(y.shape[2:], w["strides"], w["spatial"], w["pads"], strict=False)
    return all((count - 1) * stride < size + pad for count, stride, size, pad in windows)
