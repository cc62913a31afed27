"""Composites as data, under Zennit's names: which linear rule each layer gets, by role and operator."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onnxpath.errors import unknown
from onnxpath.graph.neurons import ACTIVATIONS
from onnxpath.graph.query import LINEAR
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance.base import POOLS, STABILIZER, SUMS, enter_norms, relevance
from onnxpath.rules.relevance.lrp import RULES, linear_rule, named
from onnxpath.rules.ruleset import RuleSet

CONVOLUTION = ("Conv", "ConvTranspose")
DENSE = ("Gemm", "MatMul")
SHAPING = tuple(sorted(ACTIVATIONS))
GROUPS = {LINEAR: "all linear layers", SHAPING: "activations"}


@dataclass(frozen=True)
class Entry:
    """One line of a composite: the rule of some operators, for a role where one is named, with its parameters.

    rule: a linear rule, or "gradient" for operators that go by their gradient here.
    """

    rule: str
    operators: tuple[str, ...] = LINEAR
    role: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


ALPHA2_BETA1 = Entry("lrp-alpha-beta", CONVOLUTION, parameters={"alpha": 2.0, "beta": 1.0})
EPSILON = Entry("lrp-epsilon", DENSE)
FIRST_FLAT = Entry("lrp-flat", role="first_linear")
PLUS = Entry("lrp-zplus", CONVOLUTION)

COMPOSITES: dict[str, tuple[Entry, ...]] = {
    "epsilon-plus": (PLUS, EPSILON),
    "epsilon-plus-flat": (FIRST_FLAT, PLUS, EPSILON),
    "epsilon-gamma-box": (
        Entry("lrp-zbox", CONVOLUTION, "first_linear"),
        Entry("lrp-gamma", CONVOLUTION),
        EPSILON,
    ),
    "epsilon-alpha2-beta1": (ALPHA2_BETA1, EPSILON),
    "epsilon-alpha2-beta1-flat": (FIRST_FLAT, ALPHA2_BETA1, EPSILON),
    "excitation-backprop": (Entry("lrp-zplus"), Entry("gradient", SHAPING)),
    **{name: (Entry(name),) for name in RULES if name.startswith("lrp-")},
}
"""The rules of LRP by their own names are composites too: that rule in every linear layer."""


def composite(name: str, **parameters: Any) -> RuleSet:
    """Return the rule set of a composite.

    name: as in COMPOSITES; Zennit's underscores are taken too; parameters: of its rules (epsilon, gamma, stabilizer,
    low, high, alpha, beta), for each rule that has one of that name; what a composite fixes stays.
    Raises UnknownName.
    """
    name = name.replace("_", "-")
    if name not in COMPOSITES:
        raise unknown("composite", [name], COMPOSITES)
    rules = RuleSet(name, relevance, about=_about(name))
    if parameters.get("stabilizer", STABILIZER) != STABILIZER:
        enter_norms(rules, (*SUMS, *POOLS), parameters["stabilizer"])
    for entry in COMPOSITES[name]:
        if entry.rule == gradient.name:
            rules.adopt(gradient, entry.operators)
            continue
        function = named(entry.rule)
        taken = inspect.signature(function).parameters
        chosen = {k: v for k, v in {**parameters, **entry.parameters}.items() if k in taken}
        for operator in entry.operators:
            rules.enter(linear_rule(operator, function, chosen), entry.role)
    return rules


def _about(name: str) -> str:
    lines = [
        f"{entry.rule} for {GROUPS.get(entry.operators) or ', '.join(entry.operators)}"
        + f" as {entry.role.replace('_', ' ')} layer" * bool(entry.role)
        for entry in COMPOSITES[name]
    ]
    return "relevance: " + "; ".join(lines)
