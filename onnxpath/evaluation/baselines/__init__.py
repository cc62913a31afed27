"""Baselines, one file per family; every file here is imported and enters BASELINES."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from onnxpath.evaluation.registry import BASELINES

for _family in iter_modules(__path__):
    import_module(f"{__name__}.{_family.name}")

__all__ = ["BASELINES"]
