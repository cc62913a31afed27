"""The way back from a model's input to a picture: what preprocessing did, undone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.batch.preprocess import Preprocess


def value_range(preprocess: Preprocess) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest value of a model input, of pixels 0 and 255; they broadcast against a row."""
    shape = (-1, 1, 1) if preprocess.layout == "NCHW" else (-1,)
    ends = [(pixel * preprocess.scale - _mean(preprocess)) / _std(preprocess) for pixel in (0.0, 255.0)]
    low, high = np.minimum(*ends), np.maximum(*ends)
    return low.reshape(shape), high.reshape(shape)


def spatial_axes(preprocess: Preprocess) -> tuple[int, int]:
    """Return the axes of height and width of a row, counted from its end."""
    return (-2, -1) if preprocess.layout == "NCHW" else (-3, -2)


def to_picture(preprocess: Preprocess, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the picture that preprocessing makes such a model input of, uint8 (H, W, 3) RGB; values outside are cut.

    array: a row, (C, H, W) or (H, W, C) as the preprocessing says.
    """
    last = np.moveaxis(np.asarray(array, np.float64), 0, -1) if preprocess.layout == "NCHW" else np.asarray(array)
    pixels = (last * _std(preprocess) + _mean(preprocess)) / preprocess.scale
    if preprocess.color == "BGR":
        pixels = pixels[..., ::-1]
    return np.broadcast_to(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), (*pixels.shape[:2], 3)).copy()


def picture_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture uint8 (H, W, 3) as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def is_picture(preprocess: Preprocess, shape: tuple[int, ...]) -> bool:
    """True for a row that the preprocessing can have made of a picture."""
    channel_axis = 0 if preprocess.layout == "NCHW" else -1
    return len(shape) == 3 and shape[channel_axis] == preprocess.channels


def _mean(preprocess: Preprocess) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(preprocess.mean or (0.0,)), preprocess.channels).astype(np.float64)


def _std(preprocess: Preprocess) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(preprocess.std or (1.0,)), preprocess.channels).astype(np.float64)
