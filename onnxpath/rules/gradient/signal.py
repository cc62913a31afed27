"""Fourier transforms: linear maps, whose transpose is the other transform."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import rank
from onnxpath.lowering.cast import in_dtype
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("DFT")
def dft(op, dy, y, input, dft_length=None, axis=None, *, inverse=0, onesided=0):
    axis = op.Reshape(in_dtype(op, axis, TensorProto.INT64), [1]) if axis is not None else op.const([-2])
    size = op.Gather(op.shape_of(input), axis)
    length = op.Reshape(in_dtype(op, dft_length, TensorProto.INT64), [1]) if dft_length is not None else size
    if inverse and onesided:
        length = length if dft_length is not None else op.Mul(op.Sub(size, 1), 2)
        g = half_spectrum(op, dy, length, axis)
    else:
        g = op.Concat(dy, op.zeros_like(dy), axis=-1) if dy.shape[-1] == 1 else dy
        # A onesided transform leaves out frequencies, which counts as a cotangent of zero there.
        g = op.DFT(g, op.Squeeze(length, [0]), op.Squeeze(axis, [0]), inverse=1 - inverse)
        g = op.Div(g, op.CastLike(length, g)) if inverse else op.Mul(g, op.CastLike(length, g))
    # What the transform cut off gets nothing, what it filled up is not there.
    made = op.Gather(op.Shape(g), axis)
    g = op.Pad(g, op.Concat([0], op.Sub(size, made), axis=0), None, axis)
    if input.shape[-1] != 2:
        g = op.Slice(g, [0], op.Shape(input, start=-1), [-1])
    g.shape = list(input.shape)
    return g, ZERO, ZERO


def half_spectrum(op, dy, length, axis):
    """Return what comes back to the half spectrum of a real signal: every frequency but the ends stands for two."""
    g = op.DFT(dy, op.Squeeze(length, [0]), op.Squeeze(axis, [0]), onesided=1)
    number = op.Range(0, op.Squeeze(op.Gather(op.Shape(g), axis), [0]), 1)
    alone = op.Or(op.Equal(number, 0), op.Equal(op.Mul(number, 2), length))
    column = op.ScatterElements(np.ones(rank(dy), np.int64), axis, [-1])
    weight = op.Div(op.Where(alone, op.like(1, dy), 2), op.CastLike(length, dy))
    return op.Mul(g, op.Reshape(weight, column))


@gradient.expansion("STFT")
def stft(op, signal, frame_step, window=None, frame_length=None, *, onesided=1):
    """Frames are gathered, weighted and transformed."""
    if frame_length is None and window is None:
        raise UnsupportedOperator("STFT needs a window or a frame_length")
    length = (
        op.size_along(window, 0)
        if frame_length is None
        else op.Reshape(in_dtype(op, frame_length, TensorProto.INT64), [])
    )
    step = op.Reshape(in_dtype(op, frame_step, TensorProto.INT64), [])
    total = op.size_along(signal, 1)
    count = op.Add(op.Div(op.Sub(total, length), step), 1)
    starts = op.Mul(op.Range(0, count, 1), step)
    places = op.Add(op.Unsqueeze(starts, [1]), op.Range(0, length, 1))
    # A real signal may come without its axis of one.
    flat = rank(signal) == 2
    frames = op.Gather(op.Unsqueeze(signal, [-1]) if flat else signal, places, axis=1)  # [rows, frames, length, 1 or 2]
    if window is not None:
        frames = op.Mul(frames, op.Unsqueeze(window, [-1]))
    return op.DFT(frames, None, op.const(2), onesided=onesided)
