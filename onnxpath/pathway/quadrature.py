"""Quadrature on [0, 1]: where integrated gradients are evaluated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.runtime.session import Array


def _gauss_legendre(n: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (1 + nodes) / 2, weights / 2


def _trapezoid(n: int) -> tuple[Array, Array]:
    points, weights = _captum_trapezoid(n)
    return points, weights * n / (n - 1)


def _captum_trapezoid(n: int) -> tuple[Array, Array]:
    if n < 2:
        raise InputError(f"a trapezoid has two ends, so n_steps must be at least 2; {n} was given")
    weights = np.full(n, 1 / n)
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, n), weights


METHODS: dict[str, Callable[[int], tuple[Array, Array]]] = {
    "midpoint": lambda n: ((np.arange(n) + 0.5) / n, np.full(n, 1 / n)),
    "trapezoid": _trapezoid,
    "gausslegendre": _gauss_legendre,
    "riemann_left": lambda n: (np.arange(n) / n, np.full(n, 1 / n)),
    "riemann_right": lambda n: ((np.arange(n) + 1) / n, np.full(n, 1 / n)),
    "riemann_middle": lambda n: ((np.arange(n) + 0.5) / n, np.full(n, 1 / n)),
    "riemann_trapezoid": _captum_trapezoid,
}


def points(method: str, n_steps: int) -> tuple[Array, Array]:
    """Return (points in [0, 1], weights) as float64; names as in Captum, and "midpoint" and "trapezoid".

    Weights sum to 1, but those of Captum's riemann_trapezoid to (n - 1) / n, as there; "trapezoid" is the rule itself.
    """
    if method not in METHODS:
        raise unknown("quadrature", [method], METHODS)
    if n_steps < 1:
        raise InputError(f"n_steps must be at least 1; {n_steps} was given")
    return METHODS[method](n_steps)
