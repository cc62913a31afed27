"""Options of a method as a command line gives them: NAME=VALUE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from onnxpath.attribution.registry import Method
from onnxpath.errors import InputError, all_of, unknown


def given_options(method: Method, pairs: Sequence[str]) -> dict[str, Any]:
    """Return name -> value; values are JSON (0.5, true, [0, 1], "text"), .npy files, or text as it stands.

    Lists become tuples. Raises InputError, UnknownName: every pair that is none, every file that cannot be read, and
    every name that the method does not have, at once.
    """
    return options_by_method([method], pairs)[method.name]


def options_by_method(
    methods: Sequence[Method], pairs: Sequence[str], kind: str = "method"
) -> dict[str, dict[str, Any]]:
    """Return for each method the given options that it has, as `given_options` does; one has to have each of them.

    What none lists goes to those that pass further options on. kind: what errors call a method.
    """
    found = all_of(*(lambda pair=pair: _pair(methods, pair, kind) for pair in pairs))
    listed = {name for method in methods for name in method.defaults}
    return {m.name: {k: v for k, v in found if k in m.defaults or (m.takes_any and k not in listed)} for m in methods}


def _pair(methods: Sequence[Method], pair: str, kind: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise InputError(f"'{pair}' is not NAME=VALUE")
    name = name.strip().replace("-", "_")
    if not any(name in method.defaults or method.takes_any for method in methods):
        of = " or ".join(f"'{method.name}'" for method in methods)
        raise unknown(f"option of {kind} {of}", [name], {name: None for m in methods for name in m.defaults})
    value = _value(name, text.strip())
    kinds = {type(method.defaults[name]) for method in methods if name in method.defaults}
    if kinds == {int} and isinstance(value, str):
        raise InputError(f"option '{name}' is a whole number, not '{value[:80]}'")
    return name, value


def _value(name: str, text: str) -> Any:
    if text.lower().endswith(".npy"):
        try:
            return np.load(text, allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError, MemoryError) as error:
            raise InputError(f"option '{name}': array file '{text}' cannot be read: {error}") from error
    try:
        return _tuples(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(part) for key, part in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
