"""The sections of the page, one file each; a file put into this folder is on the page."""

import pkgutil
from importlib import import_module


def load_all() -> None:
    """Import every section file, so that each enters itself in the registry."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
