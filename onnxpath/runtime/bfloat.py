"""bfloat16 at the border of ONNX Runtime: numpy has no such dtype, so arrays go in rounded and come out as float32."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnx import TensorProto

BFLOAT16 = "tensor(bfloat16)"

Array = np.ndarray[Any, Any]


def to_bfloat16(array: Array) -> ort.OrtValue:
    """Return a float array as a bfloat16 value on the CPU."""
    rounded = np.asarray(array).astype(ml_dtypes.bfloat16, order="C")
    value = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(rounded, TensorProto.BFLOAT16)
    # The value reads the array's memory and does not hold on to it.
    value.memory = rounded
    return value


def from_bfloat16(value: ort.OrtValue) -> Array:
    """Return a bfloat16 value that lies on the CPU as a float32 array."""
    shape = tuple(value.shape())
    if 0 in shape:
        return np.zeros(shape, np.float32)
    size = int(np.prod(shape))
    bits = np.ctypeslib.as_array((ctypes.c_uint16 * size).from_address(value.data_ptr()))
    array: Array = bits.view(ml_dtypes.bfloat16).reshape(shape).astype(np.float32)
    return array
