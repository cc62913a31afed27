"""The set `relevance`: a child of nothing, so that no gradient rule is inherited unseen; linear rules build on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.graph.neurons import ACTIVATIONS, GATES
from onnxpath.graph.query import LINEAR
from onnxpath.rules.gradient import gradient
from onnxpath.rules.movement import MOVEMENT, SELECTION
from onnxpath.rules.relevance.combinator import divide
from onnxpath.rules.ruleset import ZERO, Rule, RuleSet

STABILIZER = 1e-6
POOLS = ("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "Resize")
SUMS = ("Add", "Sub", "Sum", "Mean")

relevance = RuleSet("relevance", about="what relevance rule sets have in common: all operators but the linear ones")
relevance.adopt(gradient, MOVEMENT)
relevance.adopt(gradient, SELECTION)


def passing(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor, **attributes: Any) -> tuple[Tensor | None, ...]:
    """The rule `pass`: relevance goes to the input as it is."""
    return tuple(dy if op.wants(i) else None for i in range(len(inputs)))


def norm(operator: str, stabiliser: float | None) -> Rule:
    """Return the rule `norm` of a linear operator without weights: each input by its share of the output."""
    vjp = gradient.vjp(operator)

    def rule(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor, **attributes: Any) -> tuple[Any, ...]:
        grads = vjp(op, divide(op, dy, y, stabiliser), y, *inputs, **attributes)
        grads = grads if isinstance(grads, tuple) else (grads,)
        return tuple(g if g is None or g is ZERO else op.Mul(x, g) for x, g in zip(inputs, grads, strict=False))

    return Rule(operator, rule, gradient.rule(operator).broadcasts)


def enter_norms(rules: RuleSet, operators: tuple[str, ...], stabiliser: float | None) -> None:
    """Give operators the rule `norm`."""
    for operator in operators:
        rules.enter(norm(operator, stabiliser))


def several_inputs(inputs: Sequence[int]) -> bool:
    """True where relevance would go to more than one input."""
    return len(inputs) > 1


def divisor(inputs: Sequence[int]) -> bool:
    """True where relevance would go to the divisor of a quotient."""
    return 1 in inputs


FACTORS = "more than one factor depends on the input, and only the composite attnlrp has a rule for that"
DIVISOR = "its divisor depends on the input, and a relevance rule for that is not among these"


for _operator in (*sorted(ACTIVATIONS), "Neg", "BatchNormalization"):
    relevance.enter(Rule(_operator, passing))
relevance.enter(Rule("Mul", passing, broadcasts=True, unfit=several_inputs, why=FACTORS))
relevance.enter(Rule("Div", passing, broadcasts=True, unfit=divisor, why=DIVISOR))
for _operator in GATES:
    # x · g(x) is an activation too: with g held fixed, relevance passes.
    relevance.enter(Rule(_operator, None), role="gate")
enter_norms(relevance, (*SUMS, *POOLS), STABILIZER)

relevance.refuse(*LINEAR, why=f"this composite names no rule for it, or {FACTORS}")
relevance.refuse(
    *("Softmax", "LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization"),
    *("LpNormalization", "Einsum", "Attention", "RotaryEmbedding"),
    why="only the composite attnlrp has a relevance rule for it; or choose a method of gradients",
)
relevance.refuse(
    *("LogSoftmax", "LRN", "LSTM", "GRU", "RNN", "Pow", "Sqrt", "Exp", "Erf"),
    why="relevance rules for it are not among these; choose a method of gradients",
)
