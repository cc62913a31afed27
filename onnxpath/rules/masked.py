"""A rule set for a network whose activations are multiplied by masks of zeros and ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Node, Tensor
from onnxpath.rules.ruleset import RuleSet

GATES = ("Relu", "Clip")
"""Activations whose rule reads only their output, and passes nothing on where that is zero."""


def under_masks(base: RuleSet, masks: Collection[Tensor]) -> RuleSet:
    """Return a rule set of gradients for a graph where each mask, of zeros and ones, is the second factor of one Mul.

    relu(x) · m is above zero just where relu passes a gradient on and m is one. So relu's rule reads the masked value,
    and the product with the mask passes its cotangent on as it is: the backward part needs no mask.
    """
    products = [node for mask in masks for node in mask.outputs]
    masked = {n.inputs[0].name: n.outputs[0] for n in products if _is_gate(n.inputs[0])}
    rules = RuleSet(base.name, base)
    product_rule = base.vjp("Mul")

    @rules("Mul", broadcasts=True)
    def product(op: Emitter, dy: Tensor, y: Tensor, A: Tensor, B: Tensor) -> Any:
        return (dy, None) if masked.get(A.name) is y else product_rule(op, dy, y, A, B)

    for operator in GATES:
        rules(operator, broadcasts=True)(_reading(masked, base.vjp(operator)))
    return rules


def _reading(masked: dict[str, Tensor], rule: Any) -> Any:
    def reads_masked(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor, **attributes: Any) -> Any:
        return rule(op, dy, masked.get(y.name, y), *inputs, **attributes)

    return reads_masked


def _is_gate(activation: Tensor) -> bool:
    """True for the output of a ReLU, or of a Clip to constants that begins at zero."""
    node: Node | None = activation.inputs[0] if activation.inputs else None
    if node is None or node.op not in GATES:
        return False
    low = node.inputs[1] if len(node.inputs) > 1 else None
    constant = all(isinstance(t, Constant) for t in node.inputs[1:] if t.name)
    return node.op == "Relu" or (constant and isinstance(low, Constant) and not np.any(low.values))
