"""Engines of a report, one file each; every file here is imported and enters ENGINES."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from onnxpath.report.job.engine import ENGINES

for _engine in iter_modules(__path__):
    import_module(f"{__name__}.{_engine.name}")

__all__ = ["ENGINES"]
