"""Fourier transforms: linear maps, whose transpose is the other transform."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import Constant, rank
from onnxpath.lowering.cast import in_dtype
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("DFT")
def dft(op, dy, y, input, dft_length=None, axis=None, *, inverse=0, onesided=0):
    if inverse and onesided:
        raise UnsupportedOperator(f"DFT '{y.name}' is inverse and onesided, which has no gradient rule")
    if axis is not None and not isinstance(axis, Constant):
        raise UnsupportedOperator(f"DFT '{y.name}' has an axis that is known at run time only; export it as a constant")
    place = (int(axis.values.item()) if axis is not None else -2) % rank(input)
    size = op.Shape(input, start=place, end=place + 1)
    length = op.Reshape(in_dtype(op, dft_length, 7), [1]) if dft_length is not None else size
    g = op.Concat(dy, op.zeros_like(dy), axis=-1) if dy.shape[-1] == 1 else dy
    # A onesided transform leaves out frequencies, which counts as a cotangent of zero there.
    g = op.DFT(g, op.Squeeze(length, [0]), op.const(place), inverse=1 - inverse)
    g = op.Div(g, op.CastLike(length, g)) if inverse else op.Mul(g, op.CastLike(length, g))
    # What the transform cut off gets nothing, what it filled up is not there.
    g = op.Pad(g, op.Concat([0], op.Sub(size, length), axis=0), None, [place])
    if input.shape[-1] == 1:
        g = op.Slice(g, [0], [1], [-1])
    g.shape = list(input.shape)
    return g, ZERO, ZERO


@gradient.expansion("STFT")
def stft(op, signal, frame_step, window=None, frame_length=None, *, onesided=1):
    """Frames are gathered, weighted and transformed."""
    if frame_length is None and window is None:
        raise UnsupportedOperator("STFT needs a window or a frame_length")
    length = (
        op.Squeeze(op.Shape(window), [0]) if frame_length is None else op.Reshape(in_dtype(op, frame_length, 7), [])
    )
    step = op.Reshape(in_dtype(op, frame_step, 7), [])
    total = op.Squeeze(op.Shape(signal, start=1, end=2), [0])
    count = op.Add(op.Div(op.Sub(total, length), step), 1)
    starts = op.Mul(op.Range(0, count, 1), step)
    places = op.Add(op.Unsqueeze(starts, [1]), op.Range(0, length, 1))
    # A real signal may come without its axis of one.
    flat = rank(signal) == 2
    frames = op.Gather(op.Unsqueeze(signal, [-1]) if flat else signal, places, axis=1)  # [rows, frames, length, 1 or 2]
    if window is not None:
        frames = op.Mul(frames, op.Unsqueeze(window, [-1]))
    return op.DFT(frames, None, op.const(2), onesided=onesided)
