"""Gradient and input × gradient."""

from __future__ import annotations

from onnxpath.attribution.registry import spelled
from onnxpath.attribution.spelling import Spelling
from onnxpath.graph.ir import Tensor


@spelled("gradient")
def gradient(spelling: Spelling) -> dict[str, Tensor]:
    """Return the gradient of the target with respect to the input (Simonyan et al., 2013)."""
    return spelling.gradients()


@spelled("input-x-gradient")
def input_x_gradient(spelling: Spelling) -> dict[str, Tensor]:
    """Return input · gradient (Shrikumar et al., 2016)."""
    grads, wide = spelling.gradients(), spelling.wide
    return {name: spelling.op.Mul(wide(spelling.graph.tensor(name)), wide(grad)) for name, grad in grads.items()}
