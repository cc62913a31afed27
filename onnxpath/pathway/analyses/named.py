"""The analyses that have a name: importing this registers them. A new one is listed in MODULES."""

from __future__ import annotations

from importlib import import_module

from onnxpath.pathway.analyses.registry import ANALYSES

MODULES = ("layers", "overlap", "classes")

for _module in MODULES:
    import_module(f"onnxpath.pathway.analyses.{_module}")

__all__ = ["ANALYSES"]
