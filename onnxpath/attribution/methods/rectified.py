"""Variants of the gradient that change what goes back through ReLU."""

from __future__ import annotations

from collections.abc import Mapping

from onnxpath.attribution.registry import Maps, method
from onnxpath.attribution.walked import Walk
from onnxpath.rules.ruleset import RuleSet
from onnxpath.rules.variants import RECTIFIERS, deconvnet, guided_backprop
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@method("guided-backprop")
def guided(model: Model, feeds: Mapping[str, Array], target: Target) -> Maps:
    """Return the gradient without what is negative behind any ReLU (Springenberg et al., 2015)."""
    return _rectified(model, feeds, target, guided_backprop)


@method("deconvnet")
def deconvolved(model: Model, feeds: Mapping[str, Array], target: Target) -> Maps:
    """Return what comes back when each ReLU rectifies that instead of its input (Zeiler and Fergus, 2014)."""
    return _rectified(model, feeds, target, deconvnet)


def _rectified(model: Model, feeds: Mapping[str, Array], target: Target, rules: RuleSet) -> Maps:
    result = Walk((rules.name,), lambda graph, sources, logits: rules, from_logit=False).maps(model, feeds, target)
    if not any(node.op in RECTIFIERS for node in model.graph.nodes):
        result.notes.append(f"the model has no {' or '.join(RECTIFIERS)}, so this is its gradient")
    return result
