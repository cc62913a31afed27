"""Operators over images that onnx.reference computes in float32, gets wrong or lacks, written out slowly in numpy."""

from __future__ import annotations

import itertools

import numpy as np
from onnx.reference.op_run import OpRun


def linear(c):
    low = int(np.floor(c))
    return [(low, 1 - (c - low)), (low + 1, c - low)]


def nearest(c):
    return [(int(np.rint(c)), 1.0)]


def cubic(c, a=-0.75):
    low = int(np.floor(c))

    def kernel(t):
        t = abs(t)
        return ((a + 2) * t - (a + 3)) * t * t + 1 if t <= 1 else a * (((t - 5) * t + 8) * t - 4)

    return [(place, kernel(c - place)) for place in range(low - 1, low + 3)]


def reflect(place, size, align_corners):
    low, high = (0, size - 1) if align_corners else (-0.5, size - 0.5)
    if high <= low:
        return 0
    rest = (place - low) % (2 * (high - low))
    return low + min(rest, 2 * (high - low) - rest)


def sample(image, at, taps, fold=None):
    """The weighted neighbours of one place in image [channels, *spatial]; without a fold, zero off the image."""
    total = np.zeros(image.shape[0], image.dtype)
    for corner in itertools.product(*(taps(c) for c in at)):
        places = [place for place, _ in corner]
        if fold is not None:
            places = [round(float(fold(place, size))) for place, size in zip(places, image.shape[1:], strict=True)]
        if all(0 <= place < size for place, size in zip(places, image.shape[1:], strict=True)):
            total += image[(slice(None), *places)] * np.prod([weight for _, weight in corner])
    return total


class GridSample(OpRun):
    op_domain = ""

    def _run(self, X, grid, mode="linear", padding_mode="zeros", align_corners=0):
        taps = {"linear": linear, "bilinear": linear, "nearest": nearest, "cubic": cubic, "bicubic": cubic}[mode]
        sizes = X.shape[2:]
        fold = {
            "zeros": None,
            "border": lambda place, size: np.clip(place, 0, size - 1),
            "reflection": lambda place, size: reflect(place, size, align_corners),
        }[padding_mode]
        y = np.empty((*X.shape[:2], *grid.shape[1:-1]), X.dtype)
        for n, *where in np.ndindex(*grid.shape[:-1]):
            place = grid[(n, *where)][::-1]
            at = [
                (g + 1) / 2 * (s - 1) if align_corners else ((g + 1) * s - 1) / 2
                for g, s in zip(place, sizes, strict=True)
            ]
            if fold is not None and taps is linear:
                at = [fold(c, size) for c, size in zip(at, sizes, strict=True)]
                at = [np.clip(c, 0, size - 1) for c, size in zip(at, sizes, strict=True)]
            y[(n, slice(None), *where)] = sample(X[n], at, taps, fold)
        return (y,)


class AffineGrid(OpRun):
    op_domain = ""

    def _run(self, theta, size, align_corners=0):
        lines = [np.linspace(-1, 1, n) if align_corners else (np.arange(n) * 2 + 1) / n - 1 for n in map(int, size[2:])]
        axes = np.meshgrid(*lines, indexing="ij")[::-1]
        places = np.stack([*axes, np.ones_like(axes[0])], axis=-1).astype(theta.dtype)
        return (np.einsum("...j,nij->n...i", places, theta),)


class DeformConv(OpRun):
    op_domain = ""

    def _run(self, X, W, offset, B=None, mask=None, dilations=None, group=1, kernel_shape=None, offset_group=1,
             pads=None, strides=None):  # fmt: skip
        kernel, (n, c), (m, each) = W.shape[2:], X.shape[:2], W.shape[:2]
        dilations, strides, pads = dilations or [1, 1], strides or [1, 1], pads or [0] * 4
        out = offset.shape[2:]
        shifts = offset.reshape(n, offset_group, *kernel, 2, *out)
        mask = (
            np.ones((n, offset_group, *kernel, *out), X.dtype)
            if mask is None
            else mask.reshape(n, offset_group, *kernel, *out)
        )
        images = X.reshape(n, offset_group, c // offset_group, *X.shape[2:])
        columns = np.zeros((n, offset_group, c // offset_group, *kernel, *out), X.dtype)
        for row, part, *place in np.ndindex(n, offset_group, *kernel, *out):
            tap, pixel = place[:2], place[2:]
            shift = shifts[(row, part, *tap, slice(None), *pixel)]
            at = [pixel[i] * strides[i] - pads[i] + tap[i] * dilations[i] + shift[i] for i in range(2)]
            value = sample(images[row, part], at, linear) * mask[(row, part, *place)]
            columns[(row, part, slice(None), *place)] = value
        columns = columns.reshape(n, group, each, *kernel, *out)
        y = np.einsum("ngcklyx,gmckl->ngmyx", columns, W.reshape(group, m // group, each, *kernel)).reshape(n, m, *out)
        return (y if B is None else y + B.reshape(-1, 1, 1),)


class MaxRoiPool(OpRun):
    op_domain = ""

    def _run(self, X, rois, pooled_shape, spatial_scale=1.0):
        y = np.zeros((len(rois), X.shape[1], *pooled_shape), X.dtype)
        for number, (row, *corners) in enumerate(rois):
            x0, y0, x1, y1 = (int(np.floor(c * spatial_scale + 0.5)) for c in corners)
            for i, j in np.ndindex(*pooled_shape):
                cut = []
                for start, end, bins, place, size in (
                    (y0, y1, pooled_shape[0], i, X.shape[2]),
                    (x0, x1, pooled_shape[1], j, X.shape[3]),
                ):
                    length = max(end - start + 1, 1) / bins
                    ends = start + np.floor(place * length), start + np.ceil((place + 1) * length)
                    cut.append(slice(*(int(np.clip(e, 0, size)) for e in ends)))
                values = X[(int(row), slice(None), *cut)].reshape(X.shape[1], -1)
                if values.size:
                    y[number, :, i, j] = values.max(axis=1)
        return (y,)


class LpPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=0, dilations=None, kernel_shape=None, p=2, pads=None, strides=None):
        from tests.reference_ops import same_pads, windows

        rank = x.ndim - 2
        strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * (2 * rank)
        ends = list(zip(pads[:rank], pads[rank:], strict=True))
        axes = list(zip(x.shape[2:], kernel_shape, strides, dilations, strict=True))
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            ends = [same_pads(*axis, upper=auto_pad == "SAME_UPPER") for axis in axes]
        places = [windows(*axis, end, ceil_mode) for axis, end in zip(axes, ends, strict=True)]
        y = np.empty(x.shape[:2] + tuple(map(len, places)), x.dtype)
        for where in np.ndindex(*map(len, places)):
            window = np.ix_(*(axis[i] for axis, i in zip(places, where, strict=True)))
            values = np.abs(x[(slice(None), slice(None), *window)]).reshape(*x.shape[:2], -1)
            y[(..., *where)] = (values**p).sum(axis=-1) ** (1 / p)
        return (y,)


class GlobalLpPool(OpRun):
    op_domain = ""

    def _run(self, x, p=2):
        return ((np.abs(x) ** p).sum(axis=tuple(range(2, x.ndim)), keepdims=True) ** x.dtype.type(1 / p),)
