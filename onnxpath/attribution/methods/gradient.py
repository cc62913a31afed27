"""Gradient and input × gradient."""

from __future__ import annotations

from collections.abc import Mapping

from onnxpath.attribution.registry import Maps, gradients, method, wide
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@method("gradient")
def gradient(model: Model, feeds: Mapping[str, Array], target: Target) -> Maps:
    """Return the gradient of the target with respect to the input (Simonyan et al., 2013)."""
    return gradients(model, feeds, target)


@method("input-x-gradient")
def input_x_gradient(model: Model, feeds: Mapping[str, Array], target: Target) -> Maps:
    """Return input · gradient (Shrikumar et al., 2016)."""
    result = gradients(model, feeds, target)
    values = {**feeds, **result.sources}
    result.maps = {name: values[name] * wide(grad) for name, grad in result.maps.items()}
    return result
