"""The spellings of operators that standard ONNX lacks, one file per domain. A new file is listed in MODULES."""

from __future__ import annotations

from importlib import import_module

from onnxpath.graph.expand import EXPANSIONS, expand_operators

MODULES = (
    "microsoft.activation",
    "microsoft.linear",
    "microsoft.norm",
    "microsoft.unlisted",
    "microsoft.movement",
    "microsoft.attention",
    "microsoft.rotary",
    "microsoft.grouped",
    "ml.features",
    "ml.linear",
    "ml.svm",
)

for _module in MODULES:
    import_module(f"onnxpath.graph.expansions.{_module}")

__all__ = ["EXPANSIONS", "expand_operators"]
