"""DeepLIFT's rescale rule (Shrikumar et al., 2017): multipliers between each tensor and its value at a baseline.

What goes backwards is the difference of the target per difference of a tensor. Linear operators pass it on exactly,
elementwise ones by Δy/Δx; of products and quotients either factor gets its Shapley value (Chen et al., 2022); MaxPool
goes as in Captum. Softmax, normalizations and attention go through their spelling in these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from onnxpath.errors import UnsupportedOperator, unknown
from onnxpath.graph.again import compute_again
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Tensor, array_of, onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient import gradient
from onnxpath.rules.movement import MOVEMENT
from onnxpath.rules.ruleset import ZERO, Rule, RuleSet

Reference: TypeAlias = dict[str, Tensor]
"""Name of each tensor that depends on the sources -> its value at the baselines."""

EPSILON = 1e-10
"""Captum's: a difference below it counts as none, and the gradient takes the place of the multiplier."""

LINEAR = (
    *("Add", "Sub", "Sum", "Mean", "Neg", "CumSum", "ReduceSum", "ReduceMean"),
    *("AveragePool", "GlobalAveragePool", "Resize", "Col2Im"),
)
PRODUCTS = {"Mul": 2, "MatMul": 2, "Einsum": 2, "Gemm": 3, "Conv": 3, "ConvTranspose": 3}
"""Operator -> how many inputs may differ: two factors and a summand."""

ELEMENTWISE = (
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Clip", "Max", "Min", "Shrink"),
    *("Sigmoid", "HardSigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Swish", "Mish", "Gelu"),
    *("Abs", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Pow", "Floor", "Ceil", "Round", "Sign"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
)
WINNERS = {"MaxPool": "Max", "GlobalMaxPool": "Max", "ReduceMax": "Max", "ReduceMin": "Min"}
SPELLED = (
    *("InstanceNormalization", "GroupNormalization", "RMSNormalization", "MeanVarianceNormalization"),
    *("LpNormalization", "LRN", "Attention", "RotaryEmbedding", "CenterCropPad"),
)
SMALLEST = 1e-30
"""What a sum of exponentials is at least, which it is unless logits fell by 69 and more."""

SEVERAL = "more than one of its inputs depends on the input, and DeepLIFT's rules do not divide between those"
UNKNOWN = "DeepLIFT has no rule for it; choose integrated-gradients, which needs gradients alone"


def deeplift(reference: Reference, epsilon: float = EPSILON, softmax: str = "complete") -> RuleSet:
    """Return the rule set for a graph.

    reference: the sources' baselines, and what `compute_again` made of them; epsilon: see EPSILON; softmax: a key of
    SOFTMAX. Raises UnknownName.
    """
    if softmax not in SOFTMAX:
        raise unknown("rule of Softmax", [softmax], SOFTMAX)
    rules = RuleSet("deeplift", about="multipliers between an input and its baseline, by the rescale rule")
    rules.adopt(gradient, (*MOVEMENT, *LINEAR))
    for operator, factors in PRODUCTS.items():
        product = _product(operator, reference)
        rules.enter(Rule(operator, product, broadcasts=True, unfit=partial(_more_than, factors), why=SEVERAL))
    rules.enter(Rule("BatchNormalization", _scaled, several=True, unfit=partial(_more_than, 1), why=SEVERAL))
    rules.enter(Rule("Div", _quotient(reference), broadcasts=True))
    for operator in ELEMENTWISE:
        rescaled = _rescaled(operator, reference, epsilon)
        rules.enter(Rule(operator, rescaled, broadcasts=True, unfit=partial(_more_than, 1), why=SEVERAL))
    for operator, best in WINNERS.items():
        rules.enter(Rule(operator, _winner(operator, best, reference, epsilon)))
    rules.enter(Rule("Softmax", SOFTMAX[softmax](reference, epsilon)))
    for operator, spell in {**{name: gradient.vjp(name) for name in SPELLED}, **NORMS}.items():
        rules.enter(Rule(operator, _spelled(spell, reference), broadcasts=True, expands=True))
    rules.refuse("LSTM", "GRU", "RNN", "If", "Loop", "Scan", "LogSoftmax", why=UNKNOWN)
    return rules


def _more_than(count: int, inputs: Sequence[int]) -> bool:
    return len(inputs) > count


def _scaled(op: Emitter, dy: Any, y: Any, *inputs: Any, training_mode: int = 0, **attributes: Any) -> Any:
    """BatchNormalization with statistics of its own, which are linear."""
    if training_mode:
        raise UnsupportedOperator(f"BatchNormalization '{y[0].name}' is in training mode: {UNKNOWN}")
    return gradient.vjp("BatchNormalization")(op, dy, y, *inputs, **attributes)


def _exact(operator: str) -> Callable[..., Tensor | None]:
    """Return f(op, index, dy, y, inputs, attributes): the gradient by one input, None where it is zero everywhere."""
    function = gradient.rule(operator).function

    def vjp(op: Emitter, index: int, dy: Tensor, y: Tensor, inputs: Sequence[Any], attributes: Any) -> Tensor | None:
        if function is None:
            return None
        with op.only(index):
            grads = function(op, dy, y, *inputs, **attributes)
        found = grads[index] if isinstance(grads, tuple) else grads
        return None if found is ZERO else found

    return vjp


def _product(operator: str, reference: Reference) -> Callable[..., Any]:
    """a b - a₀ b₀ = (a - a₀) (b + b₀)/2 + (b - b₀) (a + a₀)/2: each factor meets the mean of the other."""
    vjp = gradient.vjp(operator)

    def product(op: Emitter, dy: Tensor, y: Tensor, *inputs: Any, **attributes: Any) -> Any:
        wanted = sum(op.wants(i) for i in range(len(inputs)))
        factors = [_mean(op, t, reference) for t in inputs] if wanted > 1 else inputs
        return vjp(op, dy, y, *factors, **attributes)

    return product


def _mean(op: Emitter, t: Any, reference: Reference) -> Any:
    """Return the mean of a tensor and its reference."""
    return op.Mul(op.Add(t, reference[t.name]), 0.5) if t is not None and t.name in reference else t


def _quotient(reference: Reference) -> Callable[..., Any]:
    """The product of A and 1/B, whose difference is -(B - B₀) / (B B₀)."""

    def quotient(op: Emitter, dy: Tensor, y: Tensor, A: Tensor, B: Tensor) -> tuple[Tensor | None, Tensor | None]:
        B0 = reference.get(B.name, B)
        inverse = op.Reciprocal(B) if B0 is B else op.Mul(op.Add(op.Reciprocal(B), op.Reciprocal(B0)), 0.5)
        above = op.Mul(dy, inverse) if op.wants(0) else None
        below = op.Neg(op.Div(op.Mul(dy, _mean(op, A, reference)), op.Mul(B, B0))) if op.wants(1) else None
        return above, below

    return quotient


def _rescaled(operator: str, reference: Reference, epsilon: float) -> Callable[..., Any]:
    """dy Δy/Δx, and the gradient where |Δx| < epsilon."""
    vjp = _exact(operator)

    def rescaled(op: Emitter, dy: Tensor, y: Tensor, *inputs: Any, **attributes: Any) -> tuple[Tensor | None, ...]:
        (index,) = (i for i in range(len(inputs)) if op.wants(i))
        x = inputs[index]
        if operator == "Pow" and isinstance(inputs[1], Constant) and np.all(array_of(inputs[1]) == 2):
            made = op.Mul(dy, op.Add(x, reference[x.name]))
        else:
            change = _difference(op, y, reference[y.name])
            made = _over(
                op, x, op.Mul(_wide(op, dy), change), vjp(op, index, dy, y, inputs, attributes), reference, epsilon
            )
        return tuple(made if i == index else None for i in range(len(inputs)))

    return rescaled


def _over(op: Emitter, x: Tensor, total: Tensor, flat: Tensor | None, reference: Reference, epsilon: float) -> Tensor:
    """Return total / Δx in the dtype of x, and `flat` (None: zero) where |Δx| < epsilon or is no number."""
    step = _difference(op, x, reference[x.name])
    # Written so that NaN, the difference of two infinities, counts as none.
    apart = op.GreaterOrEqual(op.Abs(step), op.like(epsilon, step))
    quotient = op.Div(total, op.Where(apart, step, 1))
    made: Tensor = op.Where(apart, quotient, 0 if flat is None else _wide(op, flat))
    return in_dtype(op, made, onnx_dtype(x))


def _wide(op: Emitter, t: Tensor) -> Tensor:
    """Return 16-bit floats as float32, since epsilon is zero among them."""
    return in_dtype(op, t, accumulator(t))


def _difference(op: Emitter, t: Tensor, t0: Tensor) -> Tensor:
    made: Tensor = op.Sub(_wide(op, t), _wide(op, t0))
    return made


def _winner(operator: str, best: str, reference: Reference, epsilon: float) -> Callable[..., Any]:
    """What the output rose above its reference goes to the winner at x, what it fell below to that at the baseline."""
    vjp = _exact(operator)

    def winner(
        op: Emitter, dy: Tensor, y: Tensor, x: Tensor, *rest: Any, **attributes: Any
    ) -> tuple[Tensor | None, ...]:
        x0, y0 = reference[x.name], reference[y.name]
        extreme = getattr(op, best)(y, y0)
        rose = vjp(op, 0, op.Mul(dy, op.Sub(extreme, y0)), y, (x, *rest), attributes)
        fell = vjp(op, 0, op.Mul(dy, op.Sub(y, extreme)), y0, (x0, *rest), attributes)
        total = op.Add(_wide(op, rose), _wide(op, fell))
        made = _over(op, x, total, vjp(op, 0, dy, y, (x, *rest), attributes), reference, epsilon)
        return (made, *(None for _ in rest))

    return winner


def _softmax(reference: Reference, epsilon: float) -> Callable[..., Any]:
    """As e / Σe with e = exp(x - c) and one c for the input and the baseline: what it passes on keeps its sum."""

    def softmax(op: Emitter, dy: Tensor, y: Tensor, input: Tensor, *, axis: int = -1) -> Any:
        x, x0 = _wide(op, input), _wide(op, reference[input.name])
        top = op.ReduceMax(op.Max(x, x0), [axis], keepdims=1)
        e, e0 = (op.Exp(op.Sub(t, top)) for t in (x, x0))
        inverse, inverse0 = (op.Reciprocal(op.Max(op.ReduceSum(t, [axis], keepdims=1), SMALLEST)) for t in (e, e0))
        of_sum = op.ReduceSum(op.Mul(_wide(op, dy), op.Mul(op.Add(e, e0), 0.5)), [axis], keepdims=1)
        of_e = op.Mul(_wide(op, dy), op.Mul(op.Add(inverse, inverse0), 0.5))
        multiplier = op.Sub(of_e, op.Mul(op.Mul(of_sum, inverse), inverse0))
        total = op.Mul(multiplier, op.Sub(e, e0))
        return _over(op, input, total, op.Mul(multiplier, e), reference, epsilon)

    return softmax


def _captum_softmax(reference: Reference, epsilon: float) -> Callable[..., Any]:
    """Rescaled elementwise, then without its mean over the axis: the sum of what it passes on is not kept."""
    rescaled = _rescaled("Softmax", reference, epsilon)

    def softmax(op: Emitter, dy: Tensor, y: Tensor, input: Tensor, *, axis: int = -1) -> Any:
        (made,) = rescaled(op, dy, y, input, axis=axis)
        return op.Sub(made, op.ReduceMean(made, [axis], keepdims=1))

    return softmax


SOFTMAX = {"complete": _softmax, "captum": _captum_softmax}


def _spelled(spell: Callable[..., Any], reference: Reference) -> Callable[..., Any]:
    """Return a spelling that is computed at the baselines too."""

    def both(op: Emitter, *inputs: Any, **attributes: Any) -> Any:
        for t in inputs:
            # The walk lets an identity of its own stand in for each input.
            stood_for = (
                t.inputs[0].inputs[0].name if t is not None and t.inputs and t.inputs[0].op == "Identity" else ""
            )
            if stood_for in reference:
                reference.setdefault(t.name, reference[stood_for])
        start = len(op.graph.nodes)
        made = spell(op, *inputs, **attributes)
        compute_again(op, list(op.graph.nodes[start:]), reference)
        return made

    return both


def _layer_normalization(
    op: Emitter,
    X: Tensor,
    Scale: Tensor,
    B: Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Tensor:
    wide, axes = in_dtype(op, X, accumulator(X, stash_type)), list(range(axis % rank(X), rank(X)))
    centred = op.Sub(wide, op.ReduceMean(wide, axes))
    deviation = op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), axes), epsilon))
    made: Tensor = op.Mul(in_dtype(op, op.Div(centred, deviation), onnx_dtype(X)), Scale)
    return made if B is None else op.Add(made, B)


def _reduce_sum_square(
    op: Emitter, data: Tensor, axes: Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Any:
    return op.ReduceSum(op.Mul(data, data), axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)


def _reduce_l2(op: Emitter, data: Tensor, axes: Tensor | None = None, **attributes: Any) -> Any:
    return op.Sqrt(_reduce_sum_square(op, data, axes, **attributes))


NORMS: dict[str, Callable[..., Any]] = {
    "LayerNormalization": _layer_normalization,
    "ReduceSumSquare": _reduce_sum_square,
    "ReduceL2": _reduce_l2,
}
