"""Linear relevance rules as combinators over VJPs: modified forward, stabilised divide, VJP, times input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.rules.gradient import gradient


@dataclass(frozen=True)
class Layer:
    """One linear node as a function of its data input x, weight W and bias B (None without one).

    y: its output; data: which input is x; biased: y has a bias that B has not.
    """

    op: Emitter
    operator: str
    attributes: Mapping[str, Any]
    x: Tensor
    W: Tensor
    B: Tensor | None
    y: Tensor
    data: int
    biased: bool = False

    @classmethod
    def of(cls, op: Emitter, operator: str, y: Tensor, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Layer:
        """Take a node apart: the data is the input that relevance is asked for."""
        data = 0 if op.wants(0) else 1
        bias = inputs[2] if len(inputs) > 2 else None
        return cls(op, operator, attributes, inputs[data], inputs[1 - data], bias, y, data)

    def without_bias(self) -> Layer:
        """Return the layer for which the bias takes no part in sharing."""
        return self if self.B is None else replace(self, B=None, biased=True)

    def forward(self, x: Tensor, W: Tensor, B: Tensor | None) -> Tensor:
        """Compute the node with other values."""
        if x is self.x and W is self.W and B is self.B and not self.biased:
            return self.y
        made: Tensor = getattr(self.op, self.operator)(*self._inputs(x, W, B), **self.attributes)
        if self.y.shape is not None:
            made.shape = list(self.y.shape)
        return made

    def backward(self, s: Tensor, x: Tensor, W: Tensor) -> Tensor:
        """Return the VJP of `s` with respect to x, at other values."""
        with self.op.only(self.data):
            grads = gradient.vjp(self.operator)(self.op, s, self.y, *self._inputs(x, W, self.B), **self.attributes)
        made: Tensor = grads[self.data]
        return made

    def _inputs(self, x: Tensor, W: Tensor, B: Tensor | None) -> list[Tensor | None]:
        return [*((x, W) if self.data == 0 else (W, x)), *([B] if B is not None else [])]

    def result(self, shares: Tensor) -> tuple[Tensor | None, ...]:
        """Return what a rule returns: the shares of the data, nothing for weight and bias."""
        return (shares, None, None) if self.data == 0 else (None, shares, None)


Term: TypeAlias = tuple[int, Tensor, Tensor, Tensor | None]
"""Sign (1 or -1), x, W, B: one modified forward."""


def share(layer: Layer, relevance: Tensor, terms: Sequence[Term], stabiliser: float | None) -> Tensor:
    """Return relevance shared among the inputs as the terms contribute to the modified output.

    stabiliser: added to the output with its sign; None divides exactly, and drops relevance where the output is 0.
    """
    op = layer.op
    z = op.sum([_signed(op, sign, layer.forward(x, W, B)) for sign, x, W, B in terms])
    s = divide(op, relevance, z, stabiliser)
    return op.sum([_signed(op, sign, op.Mul(x, layer.backward(s, x, W))) for sign, x, W, _ in terms])


def _signed(op: Emitter, sign: int, t: Tensor) -> Tensor:
    return t if sign > 0 else op.Neg(t)


def divide(op: Emitter, relevance: Tensor, z: Tensor, stabiliser: float | None) -> Tensor:
    """Return relevance / z, stabilised as in `share`."""
    if stabiliser is not None:
        return op.Div(relevance, op.Add(z, op.Where(op.Less(z, 0), -stabiliser, op.like(stabiliser, z))))
    empty = op.Equal(z, 0)
    return op.Where(empty, 0, op.Div(relevance, op.Where(empty, 1, z)))


def positive(op: Emitter, t: Tensor | None) -> Tensor | None:
    """Return max(t, 0); None stays None."""
    return None if t is None else op.Max(t, 0)


def negative(op: Emitter, t: Tensor | None) -> Tensor | None:
    """Return min(t, 0); None stays None."""
    return None if t is None else op.Min(t, 0)
