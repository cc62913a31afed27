"""Operators that onnx.reference gets wrong or lacks a form of, written out slowly in numpy.

A test compares every row of the operator table between the reference with these and ONNX Runtime.
"""

from __future__ import annotations

import math

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_scatter_elements import ScatterElements

from tests import reference_image
from tests.reference_loops import Loop, Scan
from tests.reference_recurrent import GRU, LSTM, RNN


def windows(size, kernel, stride, dilation, pads, ceil_mode):
    """Per output position of one axis: the input positions in its window, those in the padding left out."""
    span, total = dilation * (kernel - 1) + 1, size + sum(pads)
    count = (total - span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + pads[0]:  # a window may not start in the end padding
        count -= 1
    starts = (index * stride - pads[0] for index in range(count))
    return [[p for p in range(start, start + span, dilation) if 0 <= p < size] for start in starts]


def same_pads(size, kernel, stride, dilation, upper):
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order=0, strides=None):
        rank = x.ndim - 2
        strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * (2 * rank)
        ends = list(zip(pads[:rank], pads[rank:], strict=True))
        axes = list(zip(x.shape[2:], kernel_shape, strides, dilations, strict=True))
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            ends = [same_pads(*axis, upper=auto_pad == "SAME_UPPER") for axis in axes]
        places = [windows(*axis, end, ceil_mode) for axis, end in zip(axes, ends, strict=True)]
        flat = np.arange(x.size).reshape(x.shape)
        y = np.empty(x.shape[:2] + tuple(map(len, places)), x.dtype)
        indices = np.empty(y.shape, np.int64)
        for where in np.ndindex(*map(len, places)):
            window = np.ix_(*(axis[i] for axis, i in zip(places, where, strict=True)))
            values, numbers = (a[(slice(None), slice(None), *window)].reshape(*x.shape[:2], -1) for a in (x, flat))
            first = values.argmax(axis=-1)[..., None]
            y[(..., *where)] = np.take_along_axis(values, first, -1)[..., 0]
            indices[(..., *where)] = np.take_along_axis(numbers, first, -1)[..., 0]
        return (y, indices)[: len(self.onnx_node.output)]


class ConvTranspose(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, output_padding=None,
             output_shape=None, pads=None, strides=None):  # fmt: skip
        rank, (n, c), m = x.ndim - 2, x.shape[:2], w.shape[1]
        strides, dilations, extra = strides or [1] * rank, dilations or [1] * rank, output_padding or [0] * rank
        pads = pads or [0] * (2 * rank)
        if output_shape or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            wanted = output_shape or [x.shape[2 + a] * strides[a] for a in range(rank)]
            surplus = [
                strides[a] * (x.shape[2 + a] - 1) + extra[a] + (w.shape[2 + a] - 1) * dilations[a] + 1 - wanted[a]
                for a in range(rank)
            ]
            small = [max(s, 0) // 2 for s in surplus]
            large = [max(s, 0) - half for s, half in zip(surplus, small, strict=True)]
            pads = [*small, *large] if auto_pad == "SAME_UPPER" else [*large, *small]
            extra = [e - min(s, 0) for e, s in zip(extra, surplus, strict=True)]
        full = [(x.shape[2 + a] - 1) * strides[a] + (w.shape[2 + a] - 1) * dilations[a] + 1 for a in range(rank)]
        y = np.zeros((n, group, m, *full), x.dtype)
        grouped, kernels = x.reshape(n, group, c // group, *x.shape[2:]), w.reshape(group, c // group, *w.shape[1:])
        for tap in np.ndindex(*w.shape[2:]):
            target = [
                slice(t * d, t * d + (size - 1) * s + 1, s)
                for t, d, s, size in zip(tap, dilations, strides, x.shape[2:], strict=True)
            ]
            y[(slice(None), slice(None), slice(None), *target)] += np.einsum(
                "ngc...,gcm->ngm...", grouped, kernels[(..., *tap)]
            )
        y = y.reshape(n, group * m, *full)
        ends = [(-pads[a], extra[a] - pads[rank + a]) for a in range(rank)]
        y = crop_or_pad(y, [(0, 0), (0, 0), *ends], "constant", 0)
        return (y if b is None else y + b.reshape(-1, *[1] * rank),)


def crop_or_pad(x, ends, mode, value):
    """numpy.pad in which negative numbers crop."""
    x = x[tuple(slice(max(0, -low), size - max(0, -high)) for (low, high), size in zip(ends, x.shape, strict=True))]
    ends = [(max(0, low), max(0, high)) for low, high in ends]
    return np.pad(x, ends, mode, constant_values=value) if mode == "constant" else np.pad(x, ends, mode)


class Pad(OpRun):
    op_domain = ""

    def _run(self, x, pads=None, value=0, axes=None, mode="constant", **old):
        pads = list(map(int, pads))
        axes = range(x.ndim) if axes is None else [int(axis) % x.ndim for axis in axes]
        ends = [(0, 0)] * x.ndim
        for axis, low, high in zip(axes, pads, pads[len(pads) // 2 :], strict=False):
            ends[axis] = (low, high)
        return (crop_or_pad(x, ends, mode, 0 if value is None else value).astype(x.dtype),)


class Erf(OpRun):
    """onnx.reference computes it in float32."""

    op_domain = ""

    def _run(self, x):
        return (np.vectorize(math.erf, otypes=[x.dtype])(x),)


class Gelu(OpRun):
    """onnx.reference computes it in float32."""

    op_domain = ""

    def _run(self, x, approximate):
        if approximate == "tanh":
            return (x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (x * 0.5 * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2))),)


class Mean(OpRun):
    op_domain = ""

    def _run(self, *parts):
        return (sum(parts) / np.asarray(len(parts), parts[0].dtype),)


class GlobalMaxPool(OpRun):
    op_domain = ""

    def _run(self, x):
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class BatchNormalization(OpRun):
    op_domain = ""

    def _run(self, x, scale, bias, mean, variance, epsilon, momentum=0.9, training_mode=0, **others):
        shape = (-1, *[1] * (x.ndim - 2))
        running = ()
        if training_mode:
            axes = (0, *range(2, x.ndim))
            mix = zip((mean, variance), (x.mean(axis=axes), x.var(axis=axes)), strict=True)
            running = tuple(old * x.dtype.type(momentum) + new * x.dtype.type(1 - momentum) for old, new in mix)
            mean, variance = x.mean(axis=axes), x.var(axis=axes)
        scale, bias, mean, variance = (t.reshape(shape) for t in (scale, bias, mean, variance))
        return ((x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) * scale + bias, *running)


class LRN(OpRun):
    op_domain = ""

    def _run(self, x, alpha, beta, bias, size):
        square = np.zeros_like(x)
        for c in range(x.shape[1]):
            square[:, c] = (x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(axis=1)
        return (x / (bias + alpha / size * square) ** beta,)


class LpNormalization(OpRun):
    op_domain = ""

    def _run(self, x, axis, p):
        return (x / (np.abs(x) ** p).sum(axis=axis, keepdims=True) ** x.dtype.type(1 / p),)


class MeanVarianceNormalization(OpRun):
    op_domain = ""

    def _run(self, x, axes):
        centred = x - x.mean(axis=tuple(axes), keepdims=True)
        return (centred / (np.sqrt((centred**2).mean(axis=tuple(axes), keepdims=True)) + x.dtype.type(1e-9)),)


class GroupNormalization(OpRun):
    op_domain = ""

    def _run(self, x, scale, bias, epsilon, num_groups, stash_type):
        groups = x.reshape(x.shape[0], num_groups, -1)
        centred = groups - groups.mean(axis=2, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axis=2, keepdims=True) + x.dtype.type(epsilon))
        column = (-1, *[1] * (x.ndim - 2))
        return (normal.reshape(x.shape) * scale.reshape(column) + bias.reshape(column),)


class Scatter(ScatterElements):
    op_domain = ""

    def _run(self, data, indices, updates, axis=0):
        return super()._run(data, indices, updates, axis=axis, reduction="none")


class LogSoftmax(OpRun):
    """onnx.reference takes the logarithm of the softmax, which is 0 where it underflows."""

    op_domain = ""

    def _run(self, x, axis):
        x = x - x.max(axis=axis, keepdims=True)
        return (x - np.log(np.exp(x).sum(axis=axis, keepdims=True)),)


class FlatLogSoftmax(OpRun):
    """LogSoftmax before opset 13: over all axes from `axis` on together."""

    op_domain = ""

    def _run(self, x, **attributes):
        # Read from the node: the reference fills in the default of the newest version.
        axis = next((a.i for a in self.onnx_node.attribute if a.name == "axis"), 1)
        axis = axis + x.ndim if axis < 0 else axis
        rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
        rows = rows - rows.max(axis=1, keepdims=True)
        return ((rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))).reshape(x.shape),)


class FlatSoftmax(FlatLogSoftmax):
    def _run(self, x, **attributes):
        return (np.exp(super()._run(x)[0]),)


ALWAYS = {
    cls.__name__: cls
    for cls in (
        MaxPool,
        ConvTranspose,
        Pad,
        Erf,
        Gelu,
        Mean,
        GlobalMaxPool,
        BatchNormalization,
        LogSoftmax,
        LRN,
        LpNormalization,
        GroupNormalization,
        Loop,
        MeanVarianceNormalization,
        Scan,
        RNN,
        GRU,
        LSTM,
        Scatter,
        reference_image.GridSample,
        reference_image.AffineGrid,
        reference_image.DeformConv,
        reference_image.MaxRoiPool,
        reference_image.LpPool,
        reference_image.GlobalLpPool,
    )
}
BEFORE_13 = {"Softmax": FlatSoftmax, "LogSoftmax": FlatLogSoftmax}


def fixes(opset):
    """The replacements for a model of this opset, named as the reference looks operators up."""
    table = {**ALWAYS, **(BEFORE_13 if opset < 13 else {})}
    return [type(name, (cls,), {"op_domain": ""}) for name, cls in table.items()]
