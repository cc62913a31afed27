"""Rules for what transformers are made of, after AttnLRP (Achtibat et al., ICML 2024).

Softmax by its first-order Taylor expansion at its input, products of factors that all depend on the input in equal
parts, normalizations with their deviation held fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance.base import STABILIZER, passing
from onnxpath.rules.relevance.combinator import divide
from onnxpath.rules.ruleset import Rule

PRODUCTS = ("Mul", "MatMul", "Gemm", "Einsum")
CENTRED = ("LayerNormalization", "InstanceNormalization", "GroupNormalization")
SCALED = ("RMSNormalization", "LpNormalization")
SPELLED = ("Attention", "RotaryEmbedding")
"""Operators that the walk goes through in their spelling, by the rules of what they are spelled with."""


def softmax_rule(operator: str, parameters: Mapping[str, Any]) -> Rule:
    """R_i = x_i (R_i - s_i Σ_j R_j), x being the input and s the output (Proposition 3.1)."""

    def rule(op: Emitter, dy: Tensor, y: Tensor, input: Tensor, *, axis: int = -1) -> Tensor:
        # An input of minus infinity, which masks out, has an output of 0.
        x = op.Where(op.Equal(y, 0), 0, input)
        made: Tensor = op.Mul(x, op.Sub(dy, op.Mul(y, op.ReduceSum(dy, [axis]))))
        return made

    return Rule(operator, rule)


def product_rule(operator: str, parameters: Mapping[str, Any]) -> Rule:
    """Each of n factors that depend on the input gets an n-th, shared by epsilon (Propositions 3.2 and 3.3)."""
    stabiliser = parameters.get("epsilon", STABILIZER) or None
    vjp = gradient.vjp(operator)

    def rule(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor, **attributes: Any) -> tuple[Tensor | None, ...]:
        factors = [i for i in range(len(inputs)) if op.wants(i) and not (operator == "Gemm" and i == 2)]
        count = max(1, len(factors))
        if operator == "Mul":
            share = op.Div(dy, count) if count > 1 else dy
            return tuple(share if i in factors else None for i in range(len(inputs)))
        s = divide(op, dy, op.Mul(y, count) if count > 1 else y, stabiliser)
        grads = vjp(op, s, y, *inputs, **attributes)
        shares = [None if g is None else op.Mul(x, g) for x, g in zip(inputs, grads, strict=False)]
        if len(shares) > 2 and shares[2] is not None and operator == "Gemm" and count > 1:
            shares[2] = op.Mul(shares[2], count)
        return tuple(shares)

    return Rule(operator, rule, broadcasts=True)


def normalization_rule(operator: str, parameters: Mapping[str, Any]) -> Rule:
    """The deviation is held fixed: dividing by it passes relevance (Proposition 3.4), centring is shared by epsilon."""
    if operator in SCALED:
        return Rule(operator, passing)
    stabiliser = parameters.get("epsilon", STABILIZER) or None
    return Rule(operator, CENTRING[operator](stabiliser), unfit=_beyond_data, why=ONLY_DATA)


def centring_rule(operator: str, parameters: Mapping[str, Any]) -> Rule:
    """x less its mean, as the linear layer that it is; the mean itself then passes nothing on."""
    stabiliser = parameters.get("epsilon", STABILIZER) or None

    def rule(op: Emitter, dy: Tensor, y: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor | None, ...]:
        mean, s = B.inputs[0], divide(op, dy, y, stabiliser)
        return op.Mul(A, op.Sub(s, op.ReduceMean(s, *mean.inputs[1:], **mean.attrs))), None

    return Rule(operator, rule)


ONLY_DATA = "its scale or bias depends on the input, and a relevance rule for that is not among these"


def _beyond_data(inputs: Any) -> bool:
    return any(i > 0 for i in inputs)


def _layer(stabiliser: float | None) -> Callable[..., Any]:
    def rule(
        op: Emitter,
        dy: Tensor,
        y: Tensor,
        X: Tensor,
        Scale: Tensor,
        B: Tensor | None = None,
        *,
        axis: int = -1,
        epsilon: float = 1e-5,
        stash_type: int = 1,
    ) -> tuple[Tensor | None, ...]:
        axes = list(range(axis % rank(X), rank(X)))
        wide = accumulator(X, stash_type)
        x, scale, s = (in_dtype(op, t, wide) for t in (X, Scale, divide(op, dy, y, stabiliser)))
        return in_dtype(op, _centred(op, x, op.Mul(s, scale), axes, epsilon), onnx_dtype(X)), None, None

    return rule


def _instance(stabiliser: float | None) -> Callable[..., Any]:
    def rule(
        op: Emitter, dy: Tensor, y: Tensor, input: Tensor, scale: Tensor, B: Tensor, *, epsilon: float = 1e-5
    ) -> tuple[Tensor | None, ...]:
        s = op.Mul(divide(op, dy, y, stabiliser), _per_channel(op, scale, input))
        return _centred(op, input, s, list(range(2, rank(input))), epsilon), None, None

    return rule


def _group(stabiliser: float | None) -> Callable[..., Any]:
    def rule(
        op: Emitter,
        dy: Tensor,
        y: Tensor,
        X: Tensor,
        scale: Tensor,
        bias: Tensor,
        *,
        epsilon: float = 1e-5,
        num_groups: int,
        stash_type: int = 1,
    ) -> tuple[Tensor | None, ...]:
        s = op.Mul(divide(op, dy, y, stabiliser), _per_channel(op, scale, X))
        wide = accumulator(X, stash_type)
        x, s = (op.Reshape(in_dtype(op, t, wide), [0, num_groups, -1]) for t in (X, s))
        made = op.reshape_like(_centred(op, x, s, [2], epsilon), X)
        return in_dtype(op, made, onnx_dtype(X)), None, None

    return rule


def _centred(op: Emitter, x: Tensor, s: Tensor, axes: list[int], epsilon: float) -> Tensor:
    """Return x · Jᵀ s for J of (x - mean) / deviation, the deviation held fixed."""
    centred = op.Sub(x, op.ReduceMean(x, axes))
    deviation = op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), axes), epsilon))
    made: Tensor = op.Mul(x, op.Div(op.Sub(s, op.ReduceMean(s, axes)), deviation))
    return made


def _per_channel(op: Emitter, t: Tensor, x: Tensor) -> Tensor:
    made: Tensor = op.Reshape(t, [-1, *[1] * (rank(x) - 2)])
    return made


CENTRING: dict[str, Callable[[float | None], Callable[..., Any]]] = {
    "LayerNormalization": _layer,
    "InstanceNormalization": _instance,
    "GroupNormalization": _group,
}
