"""Selectors: what scores a neuron. One file each; a new one is listed in MODULES."""

from __future__ import annotations

from importlib import import_module

from onnxpath.pathway.selectors.registry import SELECTORS, Scores

MODULES = ("neuron_mct", "neuron_intgrad", "activation_only", "random")

CONTROLS = frozenset({"activation-only", "random"})
"""Selectors that ask nothing of the target, and so need no gradient."""

for _module in MODULES:
    import_module(f"onnxpath.pathway.selectors.{_module}")

__all__ = ["CONTROLS", "SELECTORS", "Scores"]
