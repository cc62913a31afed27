"""Elementwise operators; numpy broadcasting is undone by the walk."""

from __future__ import annotations

from onnxpath.rules.gradient.table import gradient


@gradient("Add", broadcasts=True)
def add(op, dy, y, A, B):
    return dy, dy


@gradient("Sub", broadcasts=True)
def sub(op, dy, y, A, B):
    return dy, op.Neg(dy) if op.wants(1) else None


@gradient("Mul", broadcasts=True)
def mul(op, dy, y, A, B):
    return op.Mul(dy, B) if op.wants(0) else None, op.Mul(dy, A) if op.wants(1) else None
