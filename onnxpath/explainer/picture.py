"""Pictures inside the file: preprocessing before the model, the overlay behind the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from onnxpath.batch.preprocess import Preprocess, Size
from onnxpath.errors import InputError
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, Variable, numpy_dtype
from onnxpath.report.colour import GAIN, LIFT, LUMINANCE, PERCENTILE, palette

IMAGE, OVERLAY = "image", "overlay"
GREY = (19595, 38470, 7471)
"""Of 65536: how Pillow makes grey of red, green and blue."""


def check_picture(tensors: Sequence[Variable], preprocess: Preprocess) -> None:
    """Raise InputError where the model does not take the pictures that the preprocessing makes."""
    if len(tensors) != 1 or tensors[0].shape is None or len(tensors[0].shape) != 4:
        raise InputError(
            "preprocessing goes into the file of a model with one input of four axes (a batch of pictures)"
        )
    (x,) = tensors
    wanted = {1: preprocess.channels} if preprocess.layout == "NCHW" else {3: preprocess.channels}
    sides = (preprocess.crop, preprocess.crop) if isinstance(preprocess.crop, int) else preprocess.crop
    if sides is None and isinstance(preprocess.resize, tuple):
        sides = preprocess.resize
    if sides is not None:
        first = 2 if preprocess.layout == "NCHW" else 1
        wanted |= {first: sides[0], first + 1: sides[1]}
    known = {axis: x.shape[axis] for axis in wanted if isinstance(x.shape[axis], int)}
    wrong = [f"{wanted[a]} on axis {a}, where the model has {n}" for a, n in known.items() if wanted[a] != n]
    if wrong:
        raise InputError(f"the preprocessing makes pictures with {', '.join(wrong)}; is it that of this model?")
    if numpy_dtype(x).name != preprocess.dtype:
        raise InputError(f"the preprocessing makes {preprocess.dtype}, and the model takes {numpy_dtype(x).name}")


def picture_input(op: Emitter, x: Variable, preprocess: Preprocess) -> tuple[Tensor, Tensor]:
    """Add the input `image`, uint8 RGB [N, H, W, 3]; return what the model sees, and the picture it shows.

    The latter is uint8 [N, 3, h, w] after resize and crop. As Preprocess.apply does it, but for a resize: a pixel in a
    hundred differs by one level of 255 where it shrinks, one in ten by up to two where it enlarges.
    """
    rows = x.shape[0] if isinstance(x.shape[0], str) else "N"
    image = op.add_input(IMAGE, np.uint8, [rows, "height", "width", 3])
    with op.serving(x.name, "preprocess"):
        picture = op.Transpose(image, perm=[0, 3, 1, 2])
        picture = _grey(op, picture) if preprocess.color == "L" else picture
        picture = _cropped(op, _resized(op, picture, preprocess.resize), preprocess.crop)
        shown = op.Tile(picture, op.const([1, 3, 1, 1])) if preprocess.color == "L" else picture
        pixels = op.Gather(picture, op.const([2, 1, 0]), axis=1) if preprocess.color == "BGR" else picture
        made = _arithmetic(op, pixels, preprocess)
        if preprocess.layout == "NHWC":
            made = op.Transpose(made, perm=[0, 2, 3, 1])
    made.shape = list(x.shape)
    return made, shown


def overlay(op: Emitter, values: Tensor, shown: Tensor, channel_axis: int) -> Tensor:
    """Return the map laid over its picture, uint8 [N, h, w, 3]: red for, blue against, greyed where there is nothing.

    values: a map [N, ...]; shown: uint8 [N, 3, h, w]. The clipping rule is that of the reports.
    """
    with op.serving(values.name, "overlay"):
        values = op.Cast(op.ReduceSum(values, [channel_axis], keepdims=0), to=TensorProto.DOUBLE)
        limit = op.Reshape(_limit(op, op.Reshape(op.Abs(values), [0, -1])), [-1, 1, 1])
        half = len(palette()) // 2
        scaled = op.Mul(
            op.Max(op.Min(op.Div(values, limit), op.like(1, values)), op.like(-1, values)), op.like(half, values)
        )
        index = op.Cast(op.Add(op.Round(scaled), op.like(half, values)), to=TensorProto.INT64)
        colours = op.Gather(op.const(palette().astype(np.float64)), index, axis=0)
        picture = op.Cast(op.Transpose(shown, perm=[0, 2, 3, 1]), to=TensorProto.DOUBLE)
        grey = op.MatMul(picture, op.const(np.array(LUMINANCE)[:, None] * GAIN))
        grey = op.Add(grey, op.like(255 * LIFT, grey))
        laid = op.Div(op.Mul(grey, colours), op.like(255, grey))
        made: Tensor = op.Cast(op.Round(laid), to=TensorProto.UINT8)
    return made


def _limit(op: Emitter, sizes: Tensor) -> Tensor:
    """Return the 99.9th percentile of each row [N, M], the largest where that is zero, 1 where all are."""
    last = op.Sub(op.Shape(sizes, start=1, end=2), op.const([1]))
    place = op.Mul(op.Cast(last, to=TensorProto.DOUBLE), op.const([PERCENTILE / 100], np.float64))
    below = op.Floor(place)
    values, _ = op.TopK(
        sizes, op.Sub(op.Add(last, op.const([1])), op.Cast(below, to=TensorProto.INT64)), outputs=2, axis=1
    )
    size = op.Shape(values, start=1, end=2)
    low = op.Gather(values, op.Sub(size, op.const([1])), axis=1)
    high = op.Gather(values, op.Max(op.Sub(size, op.const([2])), op.const([0])), axis=1)
    limit = op.Add(low, op.Mul(op.Sub(high, low), op.Sub(place, below)))
    largest = op.Gather(values, op.const([0]), axis=1)
    limit = op.Where(op.Equal(limit, op.like(0, limit)), largest, limit)
    made: Tensor = op.Where(op.Equal(limit, op.like(0, limit)), op.like(1, limit), limit)
    return made


def _resized(op: Emitter, shown: Tensor, size: Size | None) -> Tensor:
    if size is None:
        return shown
    sides = op.Shape(shown, start=2, end=4)
    if isinstance(size, int):
        short = op.ReduceMin(sides, [0], keepdims=1)
        sides = op.Max(op.Div(op.Mul(sides, op.const([size])), short), op.const([size]))
    else:
        sides = op.const(list(size))
    sizes = op.Concat(op.Shape(shown, start=0, end=2), sides, axis=0)
    made: Tensor = op.Resize(shown, None, None, sizes, mode="linear", antialias=1, exclude_outside=1)
    return made


def _cropped(op: Emitter, shown: Tensor, size: Size | None) -> Tensor:
    if size is None:
        return shown
    wanted = op.const([size, size] if isinstance(size, int) else list(size))
    over = op.Cast(op.Sub(op.Shape(shown, start=2, end=4), wanted), to=TensorProto.DOUBLE)
    start = op.Cast(op.Round(op.Mul(over, op.const(0.5, np.float64))), to=TensorProto.INT64)
    made: Tensor = op.Slice(shown, start, op.Add(start, wanted), op.const([2, 3]))
    return made


def _grey(op: Emitter, shown: Tensor) -> Tensor:
    parts = op.Mul(op.Cast(shown, to=TensorProto.INT32), op.const(np.reshape(GREY, (3, 1, 1)), np.int32))
    total = op.Add(op.ReduceSum(parts, [1], keepdims=1), op.const(1 << 15, np.int32))
    made: Tensor = op.Cast(op.Div(total, op.const(1 << 16, np.int32)), to=TensorProto.UINT8)
    return made


def _arithmetic(op: Emitter, pixels: Tensor, preprocess: Preprocess) -> Tensor:
    work = np.dtype("float64" if preprocess.dtype == "float64" else "float32")
    made: Tensor = op.Cast(pixels, to=TensorProto.DOUBLE if work == np.float64 else TensorProto.FLOAT)
    made = op.Mul(made, op.const(preprocess.scale, work))
    if preprocess.mean is not None:
        made = op.Sub(made, op.const(np.reshape(preprocess.mean, (-1, 1, 1)), work))
    if preprocess.std is not None:
        made = op.Div(made, op.const(np.reshape(preprocess.std, (-1, 1, 1)), work))
    if preprocess.dtype == "uint8":
        made = op.Cast(op.Round(made), to=TensorProto.UINT8)
    return op.Cast(made, to=TensorProto.FLOAT16) if preprocess.dtype == "float16" else made
