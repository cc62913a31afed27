"""Elementwise operators; numpy broadcasting is undone by the walk."""

from __future__ import annotations

import math

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import Constant, onnx_dtype
from onnxpath.lowering.cast import in_dtype
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO

gradient.same("Identity")
gradient.same("OptionalGetElement")
gradient.zero("Floor", "Ceil", "Round", "Sign")
# Of these the input gives no more than its shape.
gradient.zero("EyeLike", "RandomNormalLike", "RandomUniformLike")

gradient.unary("Abs", lambda op, x, y: op.Sign(x))
gradient.unary("Exp", lambda op, x, y: y)
gradient.unary("Log", lambda op, x, y: op.Reciprocal(x))
gradient.unary("Sqrt", lambda op, x, y: op.Div(0.5, y))
gradient.unary("Reciprocal", lambda op, x, y: op.Neg(op.Mul(y, y)))
gradient.unary("Erf", lambda op, x, y: op.Mul(op.Exp(op.Neg(op.Mul(x, x))), 2 / math.sqrt(math.pi)))
gradient.unary("Sin", lambda op, x, y: op.Cos(x))
gradient.unary("Cos", lambda op, x, y: op.Neg(op.Sin(x)))
gradient.unary("Tan", lambda op, x, y: op.Add(op.Mul(y, y), 1))
gradient.unary("Asin", lambda op, x, y: op.Reciprocal(op.Sqrt(op.Sub(1, op.Mul(x, x)))))
gradient.unary("Acos", lambda op, x, y: op.Neg(op.Reciprocal(op.Sqrt(op.Sub(1, op.Mul(x, x))))))
gradient.unary("Atan", lambda op, x, y: op.Reciprocal(op.Add(op.Mul(x, x), 1)))
gradient.unary("Sinh", lambda op, x, y: op.Cosh(x))
gradient.unary("Cosh", lambda op, x, y: op.Sinh(x))
gradient.unary("Asinh", lambda op, x, y: op.Reciprocal(op.Sqrt(op.Add(op.Mul(x, x), 1))))
gradient.unary("Acosh", lambda op, x, y: op.Reciprocal(op.Sqrt(op.Sub(op.Mul(x, x), 1))))
gradient.unary("Atanh", lambda op, x, y: op.Reciprocal(op.Sub(1, op.Mul(x, x))))


@gradient("Neg")
def neg(op, dy, y, X):
    return op.Neg(dy)


@gradient("Cast")
def cast(op, dy, y, input, *, round_mode="up", saturate=1, to):
    return in_dtype(op, dy, onnx_dtype(input))


@gradient("CastLike")
def cast_like(op, dy, y, input, target_type, *, round_mode="up", saturate=1):
    return in_dtype(op, dy, onnx_dtype(input)), ZERO


@gradient("Dropout", several=True)
def dropout(op, dy, y, data, ratio=None, training_mode=None, *, seed=None):
    if training_mode is None or (isinstance(training_mode, Constant) and not training_mode.values.any()):
        return dy[0], ZERO, ZERO
    if len(y) < 2 or not y[1].name:
        raise UnsupportedOperator(
            f"Dropout '{y[0].name}' may be in training mode and does not put out its mask, so what it dropped is not "
            "known; export for inference, or with the mask"
        )
    # In inference the mask is all true; the scale is that of the mode.
    keep = op.Sub(1, op.CastLike(ratio if ratio is not None else 0.5, data))
    scale = op.Where(training_mode, op.Where(op.Equal(keep, 0), 1, keep), 1)
    return op.Where(y[1], op.Div(dy[0], scale), 0), None, ZERO


@gradient("Mod", broadcasts=True)
def mod(op, dy, y, A, B, *, fmod=0):
    """The remainder falls by the whole quotient when the divisor grows by one."""
    if not fmod:
        raise UnsupportedOperator(f"Mod '{y.name}' has fmod=0 on floats, which ONNX Runtime does not run; set fmod=1")
    return dy, op.Neg(op.Mul(dy, op.Round(op.Div(op.Sub(A, y), B)))) if op.wants(1) else None


@gradient("Range")
def range_(op, dy, y, start, limit, delta):
    """How many steps there are is piecewise constant."""
    total = op.reshape_like(op.ReduceSum(dy, keepdims=0), start)
    if not op.wants(2):
        return total, ZERO, None
    steps = op.CastLike(op.Range(0, op.Size(dy), 1), dy)
    return total, ZERO, op.reshape_like(op.ReduceSum(op.Mul(dy, steps), keepdims=0), delta)


@gradient("Add", broadcasts=True)
def add(op, dy, y, A, B):
    return dy, dy


@gradient("Sub", broadcasts=True)
def sub(op, dy, y, A, B):
    return dy, op.Neg(dy) if op.wants(1) else None


@gradient("Mul", broadcasts=True)
def mul(op, dy, y, A, B):
    return op.Mul(dy, B) if op.wants(0) else None, op.Mul(dy, A) if op.wants(1) else None


@gradient("Div", broadcasts=True)
def div(op, dy, y, A, B):
    share = op.Div(dy, B)
    return share, op.Neg(op.Mul(share, y)) if op.wants(1) else None


@gradient("Pow", broadcasts=True)
def pow_(op, dy, y, X, Y):
    dX = dY = None
    if op.wants(0):
        dX = op.Mul(dy, power_slope(op, X, Y))
    if op.wants(1):
        # At X = 0 the power is 0 for every exponent above 0, so its logarithm must not make a NaN of that.
        dY = in_dtype(op, op.Mul(op.Mul(dy, y), op.Log(op.Where(op.Equal(X, 0), 1, X))), onnx_dtype(Y))
    return dX, dY


def power_slope(op, X, Y):
    """Return Y X^(Y-1), which is 0 for Y = 0 whatever X is; exponents may be integers."""
    if isinstance(Y, Constant) and Y.values.size == 1:
        exponent = Y.values.item()
        if exponent == 2:
            return op.Mul(X, 2)
        safe = exponent if exponent != 0 else 1
        return op.Mul(op.Pow(X, op.const(safe - 1, Y.values.dtype)), exponent)
    safe = op.Where(op.Equal(Y, 0), 1, Y)
    return op.Mul(op.Pow(X, op.Sub(safe, 1)), in_dtype(op, Y, onnx_dtype(X)))


@gradient("Max", "Min", broadcasts=True)
def extreme(op, dy, y, *data_0):
    """Inputs that tie share the cotangent equally, as in torch.maximum and torch.amax."""
    winners = [op.Cast(op.Equal(x, y), to=onnx_dtype(dy)) for x in data_0]
    if len(winners) == 1:
        return dy
    share = op.Div(dy, op.Sum(*winners))
    return tuple(op.Mul(share, winner) if op.wants(i) else None for i, winner in enumerate(winners))


@gradient("Sum", broadcasts=True)
def sum_(op, dy, y, *data_0):
    return (dy,) * len(data_0)


@gradient("Mean", broadcasts=True)
def mean(op, dy, y, *data_0):
    return (op.Mul(dy, 1 / len(data_0)),) * len(data_0)


@gradient("Where", broadcasts=True)
def where(op, dy, y, condition, X, Y):
    return (
        ZERO,
        op.Where(condition, dy, 0) if op.wants(1) else None,
        op.Where(condition, 0, dy) if op.wants(2) else None,
    )
