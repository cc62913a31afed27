"""Every relevance rule that a composite can name: the operators it is for, its parameters, how it is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onnxpath.errors import unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.graph.neurons import ACTIVATIONS
from onnxpath.graph.query import LINEAR
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance import attention
from onnxpath.rules.relevance.base import POOLS, STABILIZER, SUMS, norm, passing, several_inputs
from onnxpath.rules.relevance.lrp import RULES, linear_rule
from onnxpath.rules.ruleset import Rule

ELEMENTWISE = (*sorted(ACTIVATIONS), "Abs", "Neg", "Exp", "Log", "Sqrt", "Pow", "Erf", "Mul", "Div", "Softmax")
NORMALIZATIONS = ("BatchNormalization", *attention.CENTRED, *attention.SCALED)
EPSILON = {"epsilon": STABILIZER}


@dataclass(frozen=True)
class Kind:
    """A rule by name.

    operators: what it is for; make: f(operator, parameters) -> its Rule; parameters: what it takes, with the defaults;
    shares_sums: it is for one weighted sum of the data, and so for no product of two factors that depend on the input.
    """

    operators: tuple[str, ...]
    make: Callable[[str, Mapping[str, Any]], Rule]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    shares_sums: bool = False


def _linear(function: Callable[..., Tensor]) -> Kind:
    known = inspect.signature(function).parameters.values()
    parameters = {p.name: p.default for p in known if p.kind is inspect.Parameter.KEYWORD_ONLY}
    return Kind(
        LINEAR, lambda o, given: linear_rule(o, function, given), {**parameters, "bias": True}, shares_sums=True
    )


def _norm(operator: str, parameters: Mapping[str, Any]) -> Rule:
    if operator in LINEAR:
        return linear_rule(operator, RULES["norm"], parameters)
    return norm(operator, parameters.get("stabilizer", STABILIZER) or None)


def _pass(operator: str, parameters: Mapping[str, Any]) -> Rule:
    return Rule(operator, passing, broadcasts=True, unfit=several_inputs, why=BEYOND_FIRST)


BEYOND_FIRST = "`pass` gives all to the one input that depends on the data, and here are more"


def _smooth(operator: str, parameters: Mapping[str, Any]) -> Rule:
    """The gradient of softplus in the place of ReLU's: σ(β x) (Dombrowski et al., 2019)."""
    beta = parameters.get("beta_smooth", BETA_SMOOTH)

    def rule(op: Emitter, dy: Tensor, y: Tensor, X: Tensor) -> Tensor:
        made: Tensor = op.Mul(dy, op.Sigmoid(op.Mul(X, beta)))
        return made

    return Rule(operator, rule)


BETA_SMOOTH = 10.0

KINDS: dict[str, Kind] = {
    **{name: _linear(function) for name, function in RULES.items() if name != "norm"},
    "norm": Kind((*LINEAR, *SUMS, *POOLS), _norm, {"stabilizer": STABILIZER}),
    "pass": Kind((*ELEMENTWISE, *NORMALIZATIONS), _pass),
    "lrp-softmax": Kind(("Softmax",), attention.softmax_rule),
    "lrp-product": Kind(attention.PRODUCTS, attention.product_rule, EPSILON),
    "lrp-normalization": Kind((*attention.CENTRED, *attention.SCALED), attention.normalization_rule, EPSILON),
    "lrp-centring": Kind(("Sub",), attention.centring_rule, EPSILON),
    "gradient": Kind(tuple(gradient.operators()), lambda operator, given: gradient.rule(operator)),
    "hold": Kind(tuple(gradient.operators()), lambda operator, given: Rule(operator, None)),
    "beta-smooth": Kind(("Relu",), _smooth, {"beta_smooth": BETA_SMOOTH}),
}

PARAMETERS = {name: default for kind in KINDS.values() for name, default in kind.parameters.items()}
"""All parameters of all rules, with a default."""


def kind_of(name: str) -> Kind:
    """Return a rule by name; UnknownName otherwise."""
    if name not in KINDS:
        raise unknown("relevance rule", [name], KINDS)
    return KINDS[name]
