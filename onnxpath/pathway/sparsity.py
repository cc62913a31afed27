"""Sparsity by a rule: as sparse as the masked network may be and still say about the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from onnxpath.errors import InputError
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.selectors.registry import OWN_DENSITY
from onnxpath.runtime.session import Array

RULE = re.compile(r"softmax-change<=(\d+\.?\d*|\.\d+)")

HALVINGS = 10
"""Of the interval that a sparsity is searched in: it is found to a thousandth."""


def check_sparsity(sparsity: float | str, scope: str, selector: str) -> None:
    """Raise InputError or UnknownName where a sparsity, a number or a rule, or a scope cannot be used."""
    if not isinstance(sparsity, str):
        check_cut(sparsity, scope)
        return
    limit_of(sparsity)
    check_cut(0, scope)
    if selector in OWN_DENSITY:
        raise no_sparsity(selector)


def no_sparsity(selector: str) -> InputError:
    """Return the error of a rule that is given to a selector which takes no sparsity."""
    return InputError(f"selector '{selector}' takes no sparsity, so that none can be searched; leave the rule out")


def limit_of(rule: str) -> float:
    """Return the largest mean relative change of the target's softmax that a rule allows; InputError otherwise."""
    match = RULE.fullmatch(rule.replace(" ", ""))
    if match is None:
        raise InputError(
            f"a sparsity is a number from 0 to 1, or a rule such as 'softmax-change<=0.15'; '{rule}' was given"
        )
    return float(match[1])


def search(change: Callable[[float], float], limit: float) -> float:
    """Return by bisection the largest sparsity at which `change` is at most `limit`, to a thousandth.

    change: sparsity -> mean over all rows of |masked softmax of the target - softmax| / softmax. It need not rise
    everywhere: what is returned satisfies the rule, and a thousandth more does not.
    """
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if change(middle) <= limit else (low, middle)
    return low


def softmax_of(logits: Array, chosen: Array) -> Array:
    """Return the softmax of the chosen entry of each row, float64 [N]; logits: [N, ...]."""
    flat = logits.reshape(len(logits), -1).astype(np.float64)
    shifted = np.exp(flat - flat.max(1, keepdims=True))
    return np.asarray(shifted[np.arange(len(flat)), chosen] / shifted.sum(1))
