"""Activation functions. On a kink the derivative is the one of the flat or lower side, as in torch."""

from __future__ import annotations

import math

from onnxpath.lowering.activation import clip_grad, gate, relu_grad, slope_grad
from onnxpath.rules.gradient.table import gradient

gradient.zero("Hardmax")
gradient.unary("Sigmoid", lambda op, x, y: op.Mul(y, op.Sub(1, y)))
gradient.unary("Tanh", lambda op, x, y: op.Sub(1, op.Mul(y, y)))
gradient.unary("Softplus", lambda op, x, y: op.Sigmoid(x))
gradient.unary("Softsign", lambda op, x, y: op.Pow(op.Add(op.Abs(x), 1), -2))


@gradient("Relu")
def relu(op, dy, y, X):
    return relu_grad(op, dy, y)


@gradient("LeakyRelu")
def leaky_relu(op, dy, y, X, *, alpha=0.01):
    return slope_grad(op, dy, X, op.like(alpha, dy))


@gradient("PRelu", broadcasts=True)
def prelu(op, dy, y, X, slope):
    return slope_grad(op, dy, X, slope), op.Mul(dy, op.Min(X, 0)) if op.wants(1) else None


def exponential_below_zero(op, dy, x, above, below, rate=1.0):
    """Return dy times `above` where x > 0, and times `below` exp(rate x) elsewhere."""
    low = op.Min(x, 0)
    curve = op.Exp(low if rate == 1.0 else op.Mul(low, rate))
    if below != 1.0:
        curve = op.Mul(curve, below)
    # Where both sides meet at zero, the curve is constant above it and needs no choice.
    return op.Mul(dy, curve if above == below else op.Where(op.Greater(x, 0), above, curve))


@gradient("Elu")
def elu(op, dy, y, X, *, alpha=1.0):
    return exponential_below_zero(op, dy, X, 1.0, alpha)


@gradient("Selu")
def selu(op, dy, y, X, *, alpha=1.6732631921768188, gamma=1.0507010221481323):
    return exponential_below_zero(op, dy, X, gamma, gamma * alpha)


@gradient("Celu")
def celu(op, dy, y, X, *, alpha=1.0):
    return exponential_below_zero(op, dy, X, 1.0, 1.0, 1 / alpha)


@gradient("HardSigmoid")
def hard_sigmoid(op, dy, y, X, *, alpha=0.2, beta=0.5):
    return clip_grad(op, op.Mul(dy, alpha), y, 0, 1)


@gradient("HardSwish")
def hard_swish(op, dy, y, X):
    middle = op.Add(op.Mul(X, 1 / 3), 0.5)
    lower = op.Where(op.LessOrEqual(X, -3), 0, middle)
    return op.Mul(dy, op.Where(op.GreaterOrEqual(X, 3), 1, lower))


@gradient("Mish")
def mish(op, dy, y, X):
    t = op.Tanh(op.Softplus(X))
    bend = op.Mul(op.Mul(X, op.Sigmoid(X)), op.Sub(1, op.Mul(t, t)))
    return op.Mul(dy, op.Add(t, bend))


@gradient("Swish")
def swish(op, dy, y, X, *, alpha=1.0):
    s = op.Sigmoid(X if alpha == 1.0 else op.Mul(X, alpha))
    bend = op.Sub(s, op.Mul(s, s))
    return op.Mul(dy, op.Add(s, op.Mul(X if alpha == 1.0 else op.Mul(X, alpha), bend)))


@gradient("Gelu")
def gelu(op, dy, y, X, *, approximate="none"):
    square = op.Mul(X, X)
    if approximate == "tanh":
        k, c = math.sqrt(2 / math.pi), 0.044715
        t = op.Tanh(op.Mul(X, op.Add(op.Mul(square, k * c), k)))
        slope = op.Mul(op.Sub(1, op.Mul(t, t)), op.Add(op.Mul(square, 1.5 * k * c), 0.5 * k))
        return op.Mul(dy, op.Add(op.Add(op.Mul(t, 0.5), 0.5), op.Mul(X, slope)))
    area = op.Add(op.Mul(op.Erf(op.Mul(X, math.sqrt(0.5))), 0.5), 0.5)
    density = op.Mul(op.Exp(op.Mul(square, -0.5)), 1 / math.sqrt(2 * math.pi))
    return op.Mul(dy, op.Add(area, op.Mul(X, density)))


@gradient("ThresholdedRelu")
def thresholded_relu(op, dy, y, X, *, alpha=1.0):
    return gate(op, dy, op.Greater(X, alpha))


@gradient("Shrink")
def shrink(op, dy, y, input, *, bias=0.0, lambd=0.5):
    return gate(op, dy, op.Greater(op.Abs(input), lambd))


@gradient("Clip", broadcasts=True)
def clip(op, dy, y, input, min=None, max=None):
    """Nothing passes on a bound, as in torch's relu6 and hardtanh. Where min > max the output is max everywhere."""
    raised = op.Max(input, min) if min is not None else input
    above = op.Greater(raised, max) if max is not None and (op.wants(1) or op.wants(2)) else None
    below = op.Less(input, min) if op.wants(1) else None
    if below is not None and above is not None:
        below = op.And(below, op.Not(above))
    return (
        clip_grad(op, dy, y, min, max) if op.wants(0) else None,
        gate(op, dy, below) if op.wants(1) else None,
        gate(op, dy, above) if op.wants(2) else None,
    )


@gradient("Softmax")
def softmax(op, dy, y, input, *, axis=-1):
    if replaced_behind(y):
        # Where a mask hides a whole row, attention replaces the NaN of the softmax behind it; nothing comes back there.
        y = op.Where(op.IsNaN(y), 0, y)
    weighted = op.Mul(dy, y)
    return op.Sub(weighted, op.Mul(y, op.ReduceSum(weighted, [axis], keepdims=1)))


def replaced_behind(y):
    """True where a consumer asks for NaN in `y` or chooses between `y` and something else."""
    return any(
        node.op in ("IsNaN", "Where") or (node.op in ("Cast", "Identity") and replaced_behind(node.outputs[0]))
        for node in y.outputs
    )


@gradient("LogSoftmax")
def log_softmax(op, dy, y, input, *, axis=-1):
    return op.Sub(dy, op.Mul(op.Exp(y), op.ReduceSum(dy, [axis], keepdims=1)))
