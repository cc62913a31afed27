"""Relative attributing propagation (Nam et al., AAAI 2020), and its released code where that differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype, rank
from onnxpath.graph.quantised import varies
from onnxpath.graph.query import LINEAR
from onnxpath.rules.relevance.base import POOLS, SUMS, enter_norms, relevance
from onnxpath.rules.relevance.combinator import Layer, Term, divide, share
from onnxpath.rules.relevance.lrp import box, linear_rule
from onnxpath.rules.ruleset import Rule, RuleSet

Rows = Mapping[str, int | None]
"""The axis that counts rows, by tensor name."""


@dataclass(frozen=True)
class Shift:
    """The shift that brings the sum of each row back.

    rows: of every tensor of the graph; excess: what it took from each row, [N] by the name of the layer's output, one
    for each time that the layer was shifted, filled as the walk goes.
    """

    rows: Rows
    excess: dict[str, list[Tensor]] = field(default_factory=dict)

    def __call__(self, layer: Layer, spread: Tensor, relevance: Tensor) -> Tensor:
        """Take the excess over the sum of `relevance` from every element that is not zero, in equal parts."""
        op = layer.op
        axes, behind = self.within(layer.x), self.within(layer.y)
        there = op.Cast(op.Not(op.Equal(spread, 0)), to=onnx_dtype(spread))
        total = op.ReduceSum(spread, axes, keepdims=0)
        excess = op.Sub(total, op.ReduceSum(relevance, behind, keepdims=0))
        self.excess.setdefault(layer.y.name, []).append(excess)
        part = divide(op, excess, op.ReduceSum(there, axes, keepdims=0), None)
        made: Tensor = op.Sub(spread, op.Mul(there, op.Unsqueeze(part, axes)))
        return made

    def within(self, t: Tensor) -> list[int]:
        """Return the axes of one row."""
        row = self.rows.get(t.name)
        return [axis for axis in range(rank(t)) if axis != (0 if row is None else row)]


ABOUT = (
    "relevance: contributions of either sign attract it, and a shift per row brings its sum back; "
    "what a unit without contributions held is lost"
)


def rap(rows: Rows | Shift, published: bool = False, released: bool = False) -> RuleSet:
    """Return the rule set for a graph; the walk must know its roles (`RuleSet.on`).

    rows: of every tensor of the graph, or a Shift that knows them and keeps what it took; published: shares of an Add
    with their sign, which may be of any size, instead of shares by magnitude; released: all of the authors' code that
    differs: signed shares, z-box for a first Conv of three channels, negative relevance by positive contributions in
    Gemm and MatMul, and the shift also restores what was lost.
    """
    rules = RuleSet("rap", relevance, about=ABOUT)
    shift = rows if isinstance(rows, Shift) else Shift(rows)
    for operator in LINEAR:
        rules.enter(linear_rule(operator, _last, {}), "last_linear")
        kind = _released_hidden if released else _hidden
        rules.enter(linear_rule(operator, partial(kind, shift=shift), {}))
    if released:
        rules.enter(linear_rule("Conv", partial(_released_first, shift=shift), {}), "first_linear")
        enter_norms(rules, ("MaxPool",), None)
    for operator in SUMS:
        rules.enter(Rule(operator, _signed_sum(operator) if published or released else _sum, broadcasts=True))
    enter_norms(rules, POOLS, None)
    return rules


def _last(layer: Layer, relevance: Tensor) -> Tensor:
    """R_jk = R_k |z_jk| / Σ_j |z_jk|."""
    return share(layer, relevance, [(1, layer.op.Abs(layer.x), layer.op.Abs(layer.W), None)], None)


def _hidden(layer: Layer, relevance: Tensor, *, shift: Shift) -> Tensor:
    """Positive relevance to the positive contributions, negative to the negative ones, and all once more to the latter.

    With z = x w: C = Σ_k R⁺ z⁺/Z⁺ + R⁻ z⁻/Z⁻ + R z⁻/(Z⁺ + Z⁻); the excess is shifted away (`Shift`). Where a unit
    has contributions of the other sign alone, its relevance goes to those (R⁻ z⁺/Z⁺ where Z⁻ = 0; the last term does
    it where Z⁺ = 0). A unit without any loses its relevance, and the shift does not bring it back.
    """
    op = layer.op
    up, down = _contributions(layer.op, layer.x, layer.W)
    above, below = _total(layer, up), _total(layer, down)
    both = op.Add(above, below)
    gain, loss = op.Max(relevance, 0), op.Min(relevance, 0)
    turned = op.Add(gain, op.Where(op.Equal(below, 0), loss, 0))
    spread = op.Add(
        _spread(layer, up, divide(op, turned, above, None)),
        _spread(layer, down, op.Add(divide(op, relevance, both, None), divide(op, loss, below, None))),
    )
    return shift(layer, spread, op.Where(op.Equal(both, 0), 0, relevance))


def _released_hidden(layer: Layer, relevance: Tensor, *, shift: Shift) -> Tensor:
    """Inputs above zero; in Conv the same once more for those below zero, each shifted to the whole relevance."""
    op = layer.op
    parts = [_one_side(layer, relevance, op.Max(layer.x, 0), layer.W, shift)]
    if layer.operator == "Conv":
        parts.append(_one_side(layer, relevance, op.Neg(op.Min(layer.x, 0)), op.Neg(layer.W), shift))
    return op.sum(parts)


def _one_side(layer: Layer, relevance: Tensor, x: Tensor, W: Tensor, shift: Shift) -> Tensor:
    op = layer.op
    up: list[Term] = [(1, x, op.Max(W, 0), None)]
    down: list[Term] = [(-1, x, op.Min(W, 0), None)]
    above, below = _total(layer, up), _total(layer, down)
    both = divide(op, relevance, op.Add(above, below), None)
    if layer.operator == "Conv":
        gain, loss = op.Max(relevance, 0), op.Min(relevance, 0)
        first, second = divide(op, gain, above, None), op.Add(both, divide(op, loss, below, None))
    else:
        first, second = divide(op, relevance, above, None), both
    return shift(layer, op.Add(_spread(layer, up, first), _spread(layer, down, second)), relevance)


def _released_first(layer: Layer, relevance: Tensor, *, shift: Shift) -> Tensor:
    """The z-box rule between each row's least and largest value, where the input has three channels."""
    op, x = layer.op, layer.x
    if x.shape is None or x.shape[1] != 3:
        return _released_hidden(layer, relevance, shift=shift)
    axes = shift.within(x)
    low, high = op.ReduceMin(x, axes, keepdims=1), op.ReduceMax(x, axes, keepdims=1)
    return share(layer, relevance, box(layer, low, high, None), None)


def _contributions(op: Emitter, x: Tensor, W: Tensor) -> tuple[list[Term], list[Term]]:
    """Return the terms of z⁺ and of z⁻ = max(-z, 0)."""
    xs, ws = ((op.Max(t, 0), op.Min(t, 0)) for t in (x, W))
    return [(1, xs[0], ws[0], None), (1, xs[1], ws[1], None)], [(-1, xs[0], ws[1], None), (-1, xs[1], ws[0], None)]


def _total(layer: Layer, terms: Sequence[Term]) -> Tensor:
    total = layer.op.sum([layer.forward(x, W, None) for _, x, W, _ in terms])
    return total if terms[0][0] > 0 else layer.op.Neg(total)


def _spread(layer: Layer, terms: Sequence[Term], s: Tensor) -> Tensor:
    total = layer.op.sum([layer.op.Mul(x, layer.backward(s, x, W)) for _, x, W, _ in terms])
    return total if terms[0][0] > 0 else layer.op.Neg(total)


def _sum(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
    """Shares |a| / (|a| + |b|), equal ones where all are zero; constants get none."""
    parts = [i for i, t in enumerate(inputs) if varies(t)]
    sizes = {i: op.Abs(inputs[i]) for i in parts}
    total = op.sum(list(sizes.values())) if len(parts) > 1 else None
    shares: list[Tensor | None] = [None] * len(inputs)
    for i in (i for i in parts if op.wants(i)):
        if total is None:
            shares[i] = dy
            continue
        empty = op.Equal(total, 0)
        shares[i] = op.Mul(dy, op.Where(empty, 1 / len(parts), op.Div(sizes[i], op.Where(empty, 1, total))))
    return tuple(shares)


def _signed_sum(operator: str) -> Callable[..., Any]:
    """Shares a / (a + b): of either sign, and of any size where a and b nearly cancel; constants get none."""

    def rule(op: Emitter, dy: Tensor, y: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        parts = [i for i, t in enumerate(inputs) if varies(t)]
        terms = {i: op.Neg(inputs[i]) if operator == "Sub" and i else inputs[i] for i in parts}
        total = op.sum(list(terms.values()))
        return tuple(op.Mul(terms[i], divide(op, dy, total, None)) if op.wants(i) else None for i in range(len(inputs)))

    return rule
