"""Options that users give once for all inputs, or for each: as Captum does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnxpath.errors import InputError, unknown


def by_source(names: Sequence[str], given: Any, default: Any, kind: str = "float input") -> dict[str, Any]:
    """Return an option's value for each name: one for all, a tuple in their order where they are several, or a dict.

    given: None for the default, which names that a dict leaves out get too; kind: what errors call a name.
    Raises UnknownName, InputError.
    """
    if isinstance(given, Mapping):
        if wrong := [name for name in given if name not in names]:
            raise unknown(kind, wrong, names)
        return {name: given.get(name, default) for name in names}
    if isinstance(given, tuple) and len(names) > 1:
        if len(given) != len(names):
            raise InputError(f"{len(given)} values were given for {len(names)} inputs: {list(names)}")
        return dict(zip(names, given, strict=True))
    return dict.fromkeys(names, default if given is None else given)
