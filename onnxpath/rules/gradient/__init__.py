"""The rule set `gradient`: exact vector-Jacobian products, one file per family of operators."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from onnxpath.rules.gradient.table import gradient

for _family in iter_modules(__path__):
    import_module(f"{__name__}.{_family.name}")

__all__ = ["gradient"]
