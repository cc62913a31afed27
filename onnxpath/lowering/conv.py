"""Convolution backwards: the input's gradient and the weight's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onnxpath.errors import ShapeError
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Tensor, rank, static_shape
from onnxpath.lowering.dispatch import Lowering

Window = dict[str, Any]


def window(x: Tensor, kernel: Sequence[int], strides: Any, pads: Any, dilations: Any) -> Window:
    """Return kernel, strides, pads and dilations with ONNX's defaults filled in."""
    n = len(kernel)
    return {
        "kernel": [int(k) for k in kernel],
        "strides": [int(s) for s in strides or [1] * n],
        "pads": [int(p) for p in pads or [0] * 2 * n],
        "dilations": [int(d) for d in dilations or [1] * n],
        "spatial": [d if isinstance(d, int) else None for d in x.shape[2:]],
    }


def static_kernel(W: Tensor, kernel_shape: Any) -> list[int]:
    """Return the kernel size of a convolution weight; ShapeError where it is unknown."""
    kernel = list(kernel_shape) if kernel_shape else list(W.shape[2:])
    if not all(isinstance(k, int) for k in kernel):
        raise ShapeError(f"the kernel size of weight '{W.name}' is unknown; export the model with a fixed kernel size")
    return kernel


def reach(w: Window) -> list[int]:
    """Return how many input elements a dilated kernel spans, per axis."""
    return [(k - 1) * d + 1 for k, d in zip(w["kernel"], w["dilations"], strict=True)]


def taps(w: Window) -> dict[str, list[int]]:
    """Return a window without its pads as attributes."""
    return {"kernel_shape": w["kernel"], "strides": w["strides"], "dilations": w["dilations"]}


@Lowering
def conv_input_grad(op: Emitter, dy: Tensor, x: Tensor, W: Tensor, w: Window, group: int) -> Tensor:
    """Return the gradient of Conv's input; `w` from `window`."""
    within = all(p < r for p, r in zip(w["pads"], reach(w) * 2, strict=True))
    if within and all(s == 1 for s in w["strides"]) and static_shape(W) is not None:
        return _stride_one(op, dy, W, w, group)
    return _strided(op, dy, x, W, w, group)


def _stride_one(op: Emitter, dy: Tensor, W: Tensor, w: Window, group: int) -> Tensor:
    # A Conv with flipped weights runs in the blocked layout and beats ConvTranspose by up to 2.
    n = len(w["kernel"])
    begin = [r - 1 - p for r, p in zip(reach(w), w["pads"][:n], strict=True)]
    end = [r - 1 - p for r, p in zip(reach(w), w["pads"][n:], strict=True)]
    return op.Conv(
        dy, flipped(op, W, group), kernel_shape=w["kernel"], dilations=w["dilations"], pads=begin + end, group=group
    )


def flipped(op: Emitter, W: Tensor, group: int) -> Tensor:
    """Return Conv weights [M, C/g, ...] as [C, M/g, ...] with reversed kernels; the runtime folds this once."""
    shape = static_shape(W) or []
    if len(shape) < 3:
        raise ShapeError(f"the weight '{W.name}' of a convolution has the shape {shape}; it needs at least three axes")
    M, C, *kernel = shape
    n = len(kernel)
    if group == 1:
        swapped = op.Transpose(W, perm=[1, 0, *range(2, 2 + n)])
    elif group == M and C == 1:
        swapped = W
    else:
        split = op.Reshape(W, [group, M // group, C, *kernel])
        swapped = op.Reshape(op.Transpose(split, perm=[0, 2, 1, *range(3, 3 + n)]), [group * C, M // group, *kernel])
    if all(k == 1 for k in kernel):
        return swapped
    return op.Slice(swapped, [-1] * n, [-(2**31)] * n, list(range(2, 2 + n)), [-1] * n)


def _strided(op: Emitter, dy: Tensor, x: Tensor, W: Tensor, w: Window, group: int) -> Tensor:
    n = len(w["kernel"])
    spatial = w["spatial"]
    pads = w["pads"]
    if all(size is not None for size in spatial):
        # What the last window does not reach gets no gradient: output_padding is that remainder.
        rest = [
            (size + pads[i] + pads[i + n] - r) % s
            for i, (size, r, s) in enumerate(zip(spatial, reach(w), w["strides"], strict=True))
        ]
        return op.ConvTranspose(dy, W, group=group, pads=pads, output_padding=rest, **taps(w))
    # Sizes known at run time only: make everything that any window touches, then cut or fill to the input's size.
    return fit(op, op.ConvTranspose(dy, W, group=group, **taps(w)), x, pads)


def fit(op: Emitter, full: Tensor, x: Tensor, pads: Sequence[int]) -> Tensor:
    """Cut the leading pads off `full` and cut or zero-fill its end to the spatial sizes of `x`."""
    n = rank(x) - 2
    axes = list(range(2, 2 + n))
    begin = [-p for p in pads[:n]]
    wanted, found = spatial_of(op, x), spatial_of(op, full)
    if isinstance(wanted, Constant) and isinstance(found, Constant):
        ends = [*begin, *(wanted.values - found.values - begin).tolist()]
        made: Tensor = op.Pad(full, ends, None, axes) if any(ends) else full
    else:
        made = op.Pad(full, op.Concat(begin, op.Sub(op.Sub(wanted, found), begin), axis=0), None, axes)
    made.shape = [*full.shape[:2], *x.shape[2:]]
    return made


def with_spatial(op: Emitter, lead: Sequence[int], x: Tensor) -> Tensor:
    """Return the shape made of `lead` and the sizes of `x` behind rows and channels; a constant where it is known."""
    spatial = spatial_of(op, x)
    if isinstance(spatial, Constant):
        return op.const([*lead, *spatial.values.tolist()])
    return op.Concat(list(lead), spatial, axis=0)


def spatial_of(op: Emitter, x: Tensor) -> Tensor:
    """Return the sizes of `x` behind rows and channels as int64: a constant where they are known."""
    sizes = x.shape[2:]
    if all(isinstance(s, int) for s in sizes):
        return op.const(sizes, np.int64)
    return op.Slice(op.Shape(x), [2], [rank(x)], [0])


@Lowering
def conv_weight_grad(op: Emitter, dy: Tensor, x: Tensor, W: Tensor, w: Window, group: int) -> Tensor:
    """Return the gradient of Conv's weight, summed over rows: a convolution of the input with the cotangent."""
    n = len(w["kernel"])
    shape = static_shape(W)
    if shape is None:
        raise ShapeError(f"the shape of weight '{W.name}' must be known for its gradient")
    _, C, *kernel = shape
    xg = _channels_first(op, x, group, C)
    dyg = _channels_first(op, dy)
    full = op.Conv(xg, dyg, group=group, strides=w["dilations"], dilations=w["strides"], pads=w["pads"])
    # The remainder that no window covers makes the result too long by less than a stride.
    cut = op.Slice(full, [0] * n, kernel, list(range(2, 2 + n)))
    return op.Transpose(cut, perm=[1, 0, *range(2, 2 + n)])


def _channels_first(op: Emitter, t: Tensor, group: int = 1, channels: int = -1) -> Tensor:
    """[rows, group * channels, ...] as [channels, group * rows, ...]."""
    n = rank(t) - 2
    if group == 1:
        return op.Transpose(t, perm=[1, 0, *range(2, 2 + n)])
    split = op.Reshape(t, with_spatial(op, [0, group, channels], t))
    moved = op.Transpose(split, perm=[2, 1, 0, *range(3, 3 + n)])
    return op.Reshape(moved, with_spatial(op, [channels, -1], t))
