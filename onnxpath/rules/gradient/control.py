"""Operators with subgraphs: the gradient of a branch or a body is a walk through it, in a subgraph of its own."""

from __future__ import annotations

from typing import Any

from onnxpath.graph.subgraphs import captures
from onnxpath.rules.gradient.table import gradient


@gradient("If", several=True)
def if_(op, dy, y, cond, *, then_branch, else_branch):
    outside = list(captures(then_branch, else_branch).values())
    wanted = [t for place, t in enumerate(outside, start=1) if op.wants(place)]
    grads = op.control(
        "If",
        [cond],
        wanted,
        then_branch=branch_gradient(op, then_branch, dy, wanted),
        else_branch=branch_gradient(op, else_branch, dy, wanted),
    )
    by_name = {t.name: grad for t, grad in zip(wanted, grads, strict=True)}
    return None, *(by_name.get(t.name) for t in outside)


def branch_gradient(op, branch, dy, wanted):
    """Return the emitter of a branch that computes `branch` again and gives the gradients of `wanted`."""
    inner = op.inside()
    made = inner.inline_body(branch, [])
    grads = inner.differentiate(seeds(inner, made, dy), [t.name for t in wanted])
    for t in wanted:
        grad = grads[t.name] if t.name in grads else inner.zeros_like(t)
        inner.add_output(grad, inner.name(t.name, op.role))
    return inner


def seeds(op, tensors, dy):
    """Return the cotangents of tensors by name; one tensor may be several outputs."""
    parts: dict[str, list[Any]] = {}
    for t, d in zip(tensors, dy, strict=False):
        if d is not None:
            parts.setdefault(t.name, []).append(d)
    return {name: op.sum(several) for name, several in parts.items()}
