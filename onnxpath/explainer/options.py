"""Options of a method as a command line gives them: NAME=VALUE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from onnxpath.attribution.registry import Method
from onnxpath.errors import InputError, all_of, unknown


def given_options(method: Method, pairs: Sequence[str]) -> dict[str, Any]:
    """Return name -> value; values are JSON (0.5, true, [0, 1], "text"), or text as it stands.

    Raises InputError, UnknownName: every pair that is none, and every name that the method does not have, at once.
    """
    return dict(all_of(*(lambda pair=pair: _pair(method, pair) for pair in pairs)))


def _pair(method: Method, pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise InputError(f"'{pair}' is not NAME=VALUE")
    name = name.strip().replace("-", "_")
    if name not in method.defaults and not method.takes_any:
        raise unknown(f"option of method '{method.name}'", [name], method.defaults)
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text
