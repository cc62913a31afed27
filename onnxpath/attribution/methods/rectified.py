"""Variants of the gradient that change what goes back through ReLU."""

from __future__ import annotations

from typing import Any

from onnxpath.attribution.registry import Maps, spelled
from onnxpath.attribution.spelling import Spelling
from onnxpath.graph.ir import Tensor
from onnxpath.rules.variants import RECTIFIERS, deconvnet, guided_backprop
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import Target


def say_without_rectifier(model: Model, target: Target, result: Maps, **options: Any) -> None:
    """Note where there is nothing to rectify."""
    if not any(node.op in RECTIFIERS for node in model.graph.nodes):
        result.notes.append(f"the model has no {' or '.join(RECTIFIERS)}, so this is its gradient")


@spelled("guided-backprop", finish=say_without_rectifier)
def guided(spelling: Spelling) -> dict[str, Tensor]:
    """Return the gradient without what is negative behind any ReLU (Springenberg et al., 2015)."""
    return spelling.gradients(guided_backprop)


@spelled("deconvnet", finish=say_without_rectifier)
def deconvolved(spelling: Spelling) -> dict[str, Tensor]:
    """Return what comes back when each ReLU rectifies that instead of its input (Zeiler and Fergus, 2014)."""
    return spelling.gradients(deconvnet)
