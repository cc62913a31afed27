"""onnxpath as the `explain_func` of Quantus, which is not needed for anything here."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnxpath.attribution.attribute import attribute
from onnxpath.errors import InputError
from onnxpath.runtime.session import Array


def explain_func(
    model: Any, inputs: Any, targets: Any, *, onnx: Any = None, method: str = "pathway-gradient", **options: Any
) -> Array:
    """Return maps of a batch, shaped like it: the signature that Quantus calls.

    model: what Quantus evaluates, used where `onnx` is not given; inputs: [N, ...]; targets: int [N]. The rest comes
    through `explain_func_kwargs`: onnx, the same network as path, bytes, ModelProto or loaded Model (load it once:
    a path is loaded in every call); method: a name in `onnxpath list methods`; options: the method's; `device` is
    passed over. Raises InputError where the model has several inputs.

        quantus.Sparseness()(model=net, x_batch=x, y_batch=y, explain_func=explain_func,
                             explain_func_kwargs={"onnx": onnxpath.load("net.onnx"), "method": "gradient"})
    """
    options.pop("device", None)
    result = attribute(model if onnx is None else onnx, np.asarray(inputs), np.asarray(targets), method, **options)
    if len(result.maps) != 1:
        raise InputError(f"Quantus takes one map, and this model has inputs {', '.join(result.maps)}")
    return np.asarray(result.values)
