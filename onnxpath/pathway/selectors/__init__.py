"""Selectors: what turns scores or gates into a pathway, one file each; every file here is imported and registered."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from onnxpath.pathway.selectors.registry import CONTROLS, SELECTORS, Scores

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["CONTROLS", "SELECTORS", "Scores"]
