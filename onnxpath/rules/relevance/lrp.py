"""The linear rules of layer-wise relevance propagation, after Bach et al. (2015) and Montavon et al. (2017, 2019).

Each is a function of a layer and the relevance of its output, and returns the relevance of its data input. What is
stabilised, and how biases take part, follows Zennit: z + stabilizer · sign(z), with sign(0) = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance.base import FACTORS, STABILIZER, several_inputs
from onnxpath.rules.relevance.combinator import Layer, Term, negative, positive, share
from onnxpath.rules.ruleset import Rule


def epsilon(layer: Layer, relevance: Tensor, *, epsilon: float = STABILIZER) -> Tensor:
    """R_j = x_j Σ_k w_jk R_k / (z_k + ε sign z_k); ε = 0 is LRP-0."""
    return share(layer, relevance, [(1, layer.x, layer.W, layer.B)], epsilon or None)


def zplus(layer: Layer, relevance: Tensor, *, stabilizer: float = STABILIZER) -> Tensor:
    """R_j = Σ_k (x_j w_jk)⁺ / Σ_j (x_j w_jk)⁺ · R_k, with b⁺ in the denominator."""
    return share(layer, relevance, excitation(layer), stabilizer)


def alpha_beta(
    layer: Layer, relevance: Tensor, *, alpha: float = 2.0, beta: float = 1.0, stabilizer: float = STABILIZER
) -> Tensor:
    """α times the shares among the positive contributions, minus β times those among the negative ones."""
    if min(alpha, beta) < 0 or alpha - beta != 1:
        raise InputError(f"lrp-alpha-beta needs alpha - beta = 1, both at least 0; not {alpha:g} and {beta:g}")
    op = layer.op
    parts = [op.Mul(share(layer, relevance, excitation(layer), stabilizer), alpha)]
    if beta:
        parts.append(op.Mul(share(layer, relevance, inhibition(layer), stabilizer), -beta))
    return op.sum(parts)


def gamma(layer: Layer, relevance: Tensor, *, gamma: float = 0.25, stabilizer: float = STABILIZER) -> Tensor:
    """Contributions of the output's sign count 1 + γ times (generalised to inputs of any sign)."""
    op = layer.op

    def favoured(part: Callable[..., Any], t: Tensor | None) -> Any:
        return None if t is None else op.Add(t, op.Mul(part(op, t), gamma))

    x, W, B = layer.x, layer.W, layer.B
    up, down = favoured(positive, W), favoured(negative, W)
    terms: dict[str, list[Term]] = {
        "Greater": [(1, op.Max(x, 0), up, favoured(positive, B)), (1, op.Min(x, 0), down, None)],
        "Less": [(1, op.Max(x, 0), down, favoured(negative, B)), (1, op.Min(x, 0), up, None)],
    }
    return op.sum(
        [
            share(layer, op.Where(getattr(op, side)(layer.y, 0), relevance, 0), parts, stabilizer)
            for side, parts in terms.items()
        ]
    )


def zbox(
    layer: Layer, relevance: Tensor, *, low: Any = None, high: Any = None, stabilizer: float = STABILIZER
) -> Tensor:
    """x w - l w⁺ - h w⁻ as contributions, for inputs that lie between l and h."""
    assert low is not None and high is not None, "`require_parameters` has checked this"
    op, x = layer.op, layer.x
    bottom, top = (op.like(np.asarray(end), x) for end in (low, high))
    return share(layer, relevance, box(layer, bottom, top, layer.B), stabilizer)


def wsquare(layer: Layer, relevance: Tensor, *, stabilizer: float = STABILIZER) -> Tensor:
    """w² as contributions, whatever the input is."""
    op, B = layer.op, layer.B
    squared = None if B is None else op.Mul(B, B)
    return share(layer, relevance, [(1, ones(layer), op.Mul(layer.W, layer.W), squared)], stabilizer)


def flat(layer: Layer, relevance: Tensor, *, stabilizer: float = STABILIZER) -> Tensor:
    """The same contribution from every input that a unit sees."""
    op, W = layer.op, layer.W
    return share(layer, relevance, [(1, ones(layer), op.Expand(op.like(1, W), op.shape_of(W)), None)], stabilizer)


def norm(layer: Layer, relevance: Tensor, *, stabilizer: float = STABILIZER) -> Tensor:
    """The epsilon rule with a stabiliser alone."""
    return epsilon(layer, relevance, epsilon=stabilizer)


def excitation(layer: Layer) -> list[Term]:
    """Return the terms of the positive contributions."""
    op, x, W, B = layer.op, layer.x, layer.W, layer.B
    return [(1, op.Max(x, 0), op.Max(W, 0), positive(op, B)), (1, op.Min(x, 0), op.Min(W, 0), None)]


def inhibition(layer: Layer) -> list[Term]:
    """Return the terms of the negative contributions."""
    op, x, W, B = layer.op, layer.x, layer.W, layer.B
    return [(1, op.Max(x, 0), op.Min(W, 0), negative(op, B)), (1, op.Min(x, 0), op.Max(W, 0), None)]


def box(layer: Layer, low: Tensor, high: Tensor, B: Tensor | None) -> list[Term]:
    """Return the terms of the z-box rule; low, high: broadcast to the input; B: the bias that takes part."""
    op, x, W = layer.op, layer.x, layer.W
    ends = [op.Expand(end, op.shape_of(x)) for end in (low, high)]
    for end in ends:
        end.shape = list(x.shape) if x.shape is not None else end.shape
    return [
        (1, x, W, B),
        (-1, ends[0], op.Max(W, 0), positive(op, B)),
        (-1, ends[1], op.Min(W, 0), negative(op, B)),
    ]


def ones(layer: Layer) -> Tensor:
    """Return ones in the shape of the data."""
    op, x = layer.op, layer.x
    made: Tensor = op.Expand(op.like(1, x), op.shape_of(x))
    made.shape = list(x.shape) if x.shape is not None else made.shape
    return made


RULES: dict[str, Callable[..., Tensor]] = {
    "lrp-epsilon": epsilon,
    "lrp-gamma": gamma,
    "lrp-zplus": zplus,
    "lrp-alpha-beta": alpha_beta,
    "lrp-zbox": zbox,
    "lrp-wsquare": wsquare,
    "lrp-flat": flat,
    "norm": norm,
}


def linear_rule(operator: str, function: Callable[..., Tensor], parameters: Mapping[str, Any]) -> Rule:
    """Return the rule of one linear operator made from a function of its layer.

    parameters: of the function, and `bias`, False where biases take no part.
    """
    given = {name: value for name, value in parameters.items() if name != "bias"}

    def rule(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor, **attributes: Any) -> tuple[Tensor | None, ...]:
        layer = Layer.of(op, operator, y, inputs, attributes)
        layer = layer if parameters.get("bias", True) else layer.without_bias()
        return layer.result(function(layer, dy, **given))

    return Rule(operator, rule, gradient.rule(operator).broadcasts, unfit=several_inputs, why=FACTORS)


def named(name: str) -> Callable[..., Tensor]:
    """Return a linear rule by name; UnknownName otherwise."""
    if name not in RULES:
        raise unknown("relevance rule", [name], RULES)
    return RULES[name]
