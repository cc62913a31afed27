"""The rule set `gradient`: exact vector-Jacobian products, one file per family of operators."""

from __future__ import annotations

from importlib import import_module

from onnxpath.rules.gradient.table import gradient

FAMILIES = ("activation", "bodies", "elementwise", "index", "linear", "movement", "norm", "pool", "reduce")

for _family in FAMILIES:
    import_module(f"onnxpath.rules.gradient.{_family}")

__all__ = ["gradient"]
