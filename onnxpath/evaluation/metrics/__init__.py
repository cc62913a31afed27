"""Metrics, one file per metric or small family; every file here is imported and enters METRICS."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from onnxpath.evaluation.registry import METRICS

for _family in iter_modules(__path__):
    import_module(f"{__name__}.{_family.name}")

__all__ = ["METRICS"]
