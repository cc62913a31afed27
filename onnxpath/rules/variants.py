"""Variants: rule sets that differ from `gradient` in one to three operators, and the table of all rule sets."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from onnxpath.errors import UnsupportedOperator, unknown
from onnxpath.graph.ir import Constant, array_of, is_float, numpy_dtype, onnx_dtype
from onnxpath.graph.quantised import integer_range, number
from onnxpath.lowering.activation import clip_grad
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient import gradient
from onnxpath.rules.gradient.quantise import per_scale, spread
from onnxpath.rules.ruleset import ZERO, RuleSet

straight_through = RuleSet(
    "straight-through",
    gradient,
    about="the gradient passes QuantizeLinear where x / scale + zero_point lies inside the quantised range "
    "or rounds to its end, and is zero outside: an estimate, since the true derivative is zero almost everywhere",
)


@straight_through("QuantizeLinear", broadcasts=True, straight_through=True)
def quantize_linear(
    op,
    dy,
    y,
    x,
    y_scale,
    y_zero_point=None,
    *,
    axis=1,
    block_size=0,
    output_dtype=0,
    precision=0,
    saturate=1,
):
    limits = integer_range(y)
    if limits is None:
        raise UnsupportedOperator(
            f"QuantizeLinear makes {numpy_dtype(y)} of '{x.name}', and the straight-through rule knows integers alone; "
            "quantise to an integer type"
        )
    scale = in_dtype(op, spread(op, y_scale, x, axis, block_size), onnx_dtype(x))
    low, high = bounds(op, x, scale, y_zero_point, axis, block_size, *limits)
    dx = clip_grad(op, unscaled(op, in_dtype(op, dy, onnx_dtype(x)), scale), x, low, high)
    dscale = None
    if op.wants(1):
        dscale = per_scale(op, op.Neg(op.Mul(dx, op.Div(x, scale))), y_scale, axis, block_size)
        dscale = in_dtype(op, dscale, onnx_dtype(y_scale))
    return dx if op.wants(0) else None, dscale, ZERO


@straight_through("Cast")
def cast(op, dy, y, input, *, round_mode="up", saturate=1, to):
    # A quantised integer read as a float is a number of steps, and so is what its cotangent counts.
    return in_dtype(op, dy, onnx_dtype(input)) if is_float(input) else dy


@straight_through("CastLike")
def cast_like(op, dy, y, input, target_type, *, round_mode="up", saturate=1):
    return in_dtype(op, dy, onnx_dtype(input)) if is_float(input) else dy, ZERO


def bounds(op, x, scale, zero_point, axis, block_size, lowest, highest):
    """Return the ends of the quantised range as values of `x`: half a step farther out, what still rounds to them.

    A zero point is rounded to an integer, which moves both ends by up to half a step from the values that a calibration
    saw: without that half, the black background of a picture has no gradient. An end at zero has not moved, and is
    where a folded ReLU has its kink: there a rounding error is all.
    """
    error = 2 * (highest - lowest) * float(ml_dtypes.finfo(numpy_dtype(x)).eps)
    step, origin = number(scale), number(zero_point)
    if step is not None and origin is not None:
        low, high = (error if end == origin else 0.5 for end in (lowest, highest))
        return (lowest - low - origin) * step, (highest + high - origin) * step
    wide = accumulator(x)
    step = in_dtype(op, scale, wide)
    # Few operators take 4-bit integers, so they are cast first.
    origin = op.like(0, step) if zero_point is None else op.Cast(zero_point, to=wide)
    origin = spread(op, origin, x, axis, block_size)
    error, half = op.like(error, step), op.like(0.5, step)
    low, high = (op.Where(op.Equal(origin, end), error, half) for end in (lowest, highest))
    ends = op.Sub(op.Sub(lowest, low), origin), op.Sub(op.Add(highest, high), origin)
    return tuple(in_dtype(op, op.Mul(end, step), onnx_dtype(x)) for end in ends)


def unscaled(op, dy, scale):
    """Divide by the scale; where the DequantizeLinear behind has just multiplied by it, take what it was given."""
    maker = dy.inputs[0] if dy.inputs else None
    if maker is not None and maker.op == "Mul" and equal(maker.inputs[1], scale):
        return maker.inputs[0]
    return op.Div(dy, scale)


def equal(a, b):
    """True for one tensor, and for constants of one value."""
    return a is b or (isinstance(a, Constant) and isinstance(b, Constant) and np.array_equal(array_of(a), array_of(b)))


guided_backprop = RuleSet(
    "guided-backprop",
    gradient,
    about="ReLU (and Clip) passes on what is above zero alone, where its input is (Springenberg et al., 2015)",
)
deconvnet = RuleSet(
    "deconvnet",
    gradient,
    about="ReLU (and Clip) passes on what is above zero alone, wherever its input is (Zeiler and Fergus, 2014)",
)
RECTIFIERS = ("Relu", "Clip")


def rectified(operator):
    """Return a rule that takes only the part above zero of what comes back, and goes on with the gradient's rule."""
    exact = gradient.vjp(operator)

    def rule(op, dy, y, *inputs):
        return exact(op, op.Max(dy, 0), y, *inputs)

    return rule


def rectify(op, dy, y, x, *bounds):
    return (op.Max(dy, 0), *(None for _ in bounds))


for _operator in RECTIFIERS:
    guided_backprop(_operator, broadcasts=True)(rectified(_operator))
    deconvnet(_operator, broadcasts=True)(rectify)


RULE_SETS = {rules.name: rules for rules in (gradient, straight_through, guided_backprop, deconvnet)}
"""What goes backwards in any program; rule sets of relevance go with their methods (rules/relevance)."""


def rule_set(name: str) -> RuleSet:
    """Return a rule set by name; UnknownName otherwise."""
    if name not in RULE_SETS:
        raise unknown("rule set", [name], RULE_SETS)
    return RULE_SETS[name]
