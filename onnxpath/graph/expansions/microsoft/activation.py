"""Activation functions of com.microsoft, and the table of those that its fused operators name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion


@expansion("com.microsoft", "Gelu")
def gelu(op, X):
    """Gelu by the error function."""
    return op.Gelu(X)


@expansion("com.microsoft", "BiasGelu")
def bias_gelu(op, A, B):
    """Add, Gelu."""
    return op.Gelu(op.Add(A, B))


@expansion("com.microsoft", "FastGelu")
def fast_gelu(op, X, bias=None):
    """Add, Gelu with the tanh approximation."""
    return op.Gelu(X if bias is None else op.Add(X, bias), approximate="tanh")


@expansion("com.microsoft", "GemmFastGelu")
def gemm_fast_gelu(op, X, W, bias=None):
    """MatMul, Add, Gelu with the tanh approximation."""
    return fast_gelu(op, op.MatMul(X, W), bias)


@expansion("com.microsoft", "QuickGelu")
def quick_gelu(op, X, *, alpha=1.702):
    """x · Sigmoid(alpha x)."""
    return op.Mul(X, op.Sigmoid(X if alpha == 1 else op.Mul(X, alpha)))


@expansion("com.microsoft", "BiasSplitGelu")
def bias_split_gelu(op, X, bias):
    """Add, Split into halves, the left one times Gelu of the right one."""
    left, right = op.Split(op.Add(X, bias), axis=-1, num_outputs=2, outputs=2)
    return op.Mul(left, op.Gelu(right))


def scaled_tanh(op, input, *, alpha=1.0, beta=1.0):
    """alpha · tanh(beta · x)."""
    return op.Mul(op.Tanh(op.Mul(input, beta)), alpha)


def parametric_softplus(op, X, *, alpha=1.0, beta=1.0):
    """alpha · log(1 + exp(beta · x))."""
    return op.Mul(op.Softplus(op.Mul(X, beta)), alpha)


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "": lambda op, x: x,
    "Relu": lambda op, x: op.Relu(x),
    "Tanh": lambda op, x: op.Tanh(x),
    "Sigmoid": lambda op, x: op.Sigmoid(x),
    "Softplus": lambda op, x: op.Softplus(x),
    "Softsign": lambda op, x: op.Softsign(x),
    "HardSwish": lambda op, x: op.HardSwish(x),
    "Gelu": lambda op, x: op.Gelu(x),
    "LeakyRelu": lambda op, x, alpha=0.01: op.LeakyRelu(x, alpha=alpha),
    "Elu": lambda op, x, alpha=1.0: op.Elu(x, alpha=alpha),
    "ThresholdedRelu": lambda op, x, alpha=1.0: op.ThresholdedRelu(x, alpha=alpha),
    "Selu": lambda op, x, alpha=1.67326, gamma=1.0507: op.Selu(x, alpha=alpha, gamma=gamma),
    "Celu": lambda op, x, alpha=1.0: op.Celu(x, alpha=alpha),
    "HardSigmoid": lambda op, x, alpha=0.2, beta=0.5: op.HardSigmoid(x, alpha=alpha, beta=beta),
    "Clip": lambda op, x, low, high: op.Clip(x, op.like(low, x), op.like(high, x)),
    "ScaledTanh": lambda op, x, alpha=1.0, beta=1.0: scaled_tanh(op, x, alpha=alpha, beta=beta),
    "ParametricSoftplus": lambda op, x, alpha=1.0, beta=1.0: parametric_softplus(op, x, alpha=alpha, beta=beta),
}
"""Name in the attribute `activation` -> spelling f(op, x, *parameters)."""


def activated(op, x, name, parameters=()):
    """Return the activation function of that name, applied to x.

    Raises UnsupportedOperator for a name that is not in the table.
    """
    if name not in ACTIVATIONS:
        raise UnsupportedOperator(
            f"the fused activation '{name}' is not spelled out ({', '.join(filter(None, ACTIVATIONS))} are); "
            "save the model at optimisation level BASIC"
        )
    return ACTIVATIONS[name](op, x, *parameters)
