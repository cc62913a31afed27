"""Einsum and Det."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np

from onnxpath.errors import ShapeError
from onnxpath.graph.ir import rank, static_shape
from onnxpath.rules.gradient.table import gradient


@gradient("Einsum", broadcasts=True)
def einsum(op, dy, y, *inputs, equation):
    """Each operand's gradient is an Einsum of the cotangent with the other operands."""
    terms, output = spelled_out(equation, inputs)
    if not all(len(set(term)) == len(term) for term in terms):
        inputs, terms, doubled = zip(
            *(without_diagonal(op, x, t) for x, t in zip(inputs, terms, strict=True)), strict=True
        )
    else:
        doubled = (None,) * len(inputs)
    grads: list[Any] = []
    for i, (x, term) in enumerate(zip(inputs, terms, strict=True)):
        if not op.wants(i):
            grads.append(None)
            continue
        others = [j for j in range(len(inputs)) if j != i]
        grad = contracted(
            op, [dy, *(inputs[j] for j in others)], [output, *(terms[j] for j in others)], x, term, output
        )
        grads.append(on_diagonal(op, grad, x, doubled[i]) if doubled[i] is not None else grad)
    return tuple(grads)


def spelled_out(equation, inputs):
    """Return the letters of every operand and of the output; an ellipsis gets letters of its own."""
    left, arrow, output = re.sub(r"\s", "", equation).partition("->")
    terms = left.split(",")
    spare = [c for c in string.ascii_letters if c not in equation]
    hidden = [rank(x) - len(t.replace("...", "")) if "..." in t else 0 for x, t in zip(inputs, terms, strict=True)]
    letters = "".join(spare[: max(hidden)])
    if not arrow:
        once = sorted(c for c in set(left) - set(".,") if left.count(c) == 1)
        output = ("..." if max(hidden) else "") + "".join(once)
    full = [t.replace("...", letters[len(letters) - n :]) for t, n in zip(terms, hidden, strict=True)]
    return full, output.replace("...", letters)


def contracted(op, factors, terms, x, term, output):
    """Return the factors summed to the letters of `term`, in the shape of `x` or larger by broadcasting."""
    found = "".join(c for c in term if any(c in t for t in terms))
    made = op.Einsum(*factors, equation=f"{','.join(terms)}->{found}")
    missing = [i for i, c in enumerate(term) if c not in found]
    if missing:
        made = op.Unsqueeze(made, missing)
    if set(term) <= set(output):
        return made
    # What is summed over stands in the output no more: the operand's own size may be the larger one.
    return op.Expand(made, op.shape_of(x))


def diagonal(op, x, first, second):
    """Return ones where the index along two axes is the same."""
    places = op.places(x, first)
    line = [op.Reshape(places, [-1 if i == a else 1 for i in range(rank(x))]) for a in (first, second)]
    return op.CastLike(op.Equal(*line), x)


def without_diagonal(op, x, term):
    """Return an operand with every letter once, its letters, and what was taken off to get there."""
    steps = []
    while len(set(term)) < len(term):
        second = next(i for i, c in enumerate(term) if c in term[:i])
        first = term.index(term[second])
        mask = diagonal(op, x, first, second)
        steps.append((mask, second))
        x = op.ReduceSum(op.Mul(x, mask), [second], keepdims=0)
        term = term[:second] + term[second + 1 :]
    return x, term, steps


def on_diagonal(op, grad, x, steps):
    """Undo `without_diagonal` for a gradient."""
    if static_shape(grad) is None or static_shape(grad) != static_shape(x):
        grad = op.Expand(grad, op.shape_of(x))
    for mask, second in reversed(steps):
        grad = op.Mul(op.Unsqueeze(grad, [second]), mask)
    return grad


@gradient("Det")
def det(op, dy, y, X):
    """The cofactors, each the determinant of what is left without its row and column: exact for singular matrices."""
    n, lead = X.shape[-1], rank(X) - 2
    if not isinstance(n, int):
        raise ShapeError(f"the size of the matrices '{X.name}' must be known for the gradient of their determinant")
    dy = op.Unsqueeze(dy, [-1, -2])
    if n == 1:
        return dy
    rest = np.array([[j for j in range(n) if j != i] for i in range(n)])
    rows = op.Gather(X, rest, axis=lead)  # [..., n, n - 1, n]
    minors = op.Gather(rows, rest, axis=lead + 2)  # [..., n, n - 1, n, n - 1]
    minors = op.Transpose(minors, perm=[*range(lead), lead, lead + 2, lead + 1, lead + 3])
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return op.Mul(dy, op.Mul(op.Det(minors), op.like(signs, X)))
