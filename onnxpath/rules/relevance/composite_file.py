"""A user's composite: a TOML file of ordered entries, read and checked as a whole.

extends = "relevance"          # or "gradient", or the name of a composite; default relevance

[[rule]]                       # a node gets the first rule that takes it
rule = "lrp-zbox"
role = "first_linear"
low = -2.1
high = 2.6

[[rule]]
rule = "lrp-gamma"
operators = ["Conv"]
node = "features/*"
gamma = 0.5
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from onnxpath.errors import InputError
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance.base import relevance
from onnxpath.rules.relevance.catalogue import KINDS
from onnxpath.rules.relevance.composites import COMPOSITES, Composite, Entry, Recipe, composed, composite
from onnxpath.rules.relevance.roles import ROLES

SUFFIX = ".toml"
SELECTING = ("rule", "operators", "role", "node")
EXTENDS = (relevance.name, gradient.name, *COMPOSITES)
ARRAYS = ("low", "high")
"""Parameters that may be nested lists, which broadcast to the layer's input."""


def read_composite(path: str | os.PathLike[str]) -> Recipe:
    """Return the recipe in a TOML file. Raises InputError that names every key and entry that cannot be used."""
    try:
        table = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"the composite '{path}' cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"the composite '{path}' is not TOML: {error}") from error
    if problems := list(find_problems(table)):
        lines = "\n".join(f"  {line}" for line in problems)
        raise InputError(f"the composite '{path}' cannot be used:\n{lines}\ndocs/methods.md shows one")
    return Recipe(tuple(_entry(rule) for rule in table["rule"]), table.get("extends", relevance.name))


def _entry(given: Mapping[str, Any]) -> Entry:
    parameters = {k: v for k, v in given.items() if k not in SELECTING}
    return Entry(
        given["rule"], tuple(given.get("operators", ())), given.get("role", ""), given.get("node", ""), parameters
    )


def find_problems(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a file's table, key by key."""
    yield from (f"{key}: {_no('key', key, ('extends', 'rule'))}" for key in table if key not in ("extends", "rule"))
    extends = table.get("extends", relevance.name)
    if extends not in EXTENDS:
        yield f"extends: {_no('rule set or composite', extends, EXTENDS)}"
    rules = table.get("rule")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        yield "rule: at least one [[rule]] table is needed"
        return
    for place, given in enumerate(rules, 1):
        yield from (f"rule {place}: {problem}" for problem in _entry_problems(given))


def _entry_problems(given: Mapping[str, Any]) -> Iterator[str]:
    for key, check in CHECKS.items():
        if key in given and (problem := check(given[key])):
            yield f"{key}: {problem}"
    name = given.get("rule")
    if name is None:
        yield f"rule: is missing; known: {', '.join(KINDS)}"
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return
    operators = given.get("operators", ())
    if isinstance(operators, list) and (wrong := [o for o in operators if o not in kind.operators]):
        yield f"operators: {name} is not for {', '.join(map(str, wrong))}, only for {_listed(kind.operators)}"
    for key, value in given.items():
        if key in SELECTING:
            continue
        if key not in kind.parameters:
            yield f"{key}: {_no(f'parameter of {name}', key, (*SELECTING, *kind.parameters))}"
        elif problem := _value_problem(key, value):
            yield f"{key}: {problem}"
    if name == "lrp-alpha-beta":
        yield from _alpha_beta_problem({**kind.parameters, **given})


def _alpha_beta_problem(given: Mapping[str, Any]) -> Iterator[str]:
    alpha, beta = given["alpha"], given["beta"]
    if not _value_problem("alpha", alpha) and not _value_problem("beta", beta) and alpha - beta != 1:
        yield f"alpha, beta: alpha - beta must be 1, not {alpha:g} - {beta:g}"


def _value_problem(key: str, value: Any) -> str | None:
    if key == "bias":
        return None if isinstance(value, bool) else f"is neither true nor false: {value!r}"
    if key in ARRAYS:
        try:
            array = np.asarray(value)
        except ValueError:
            return "is no number and no nested list of one shape"
        return None if array.dtype.kind in "if" else f"is no number and no nested list of numbers: {value!r}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"is no number: {value!r}"
    return None if np.isfinite(value) and value >= 0 else f"must be at least 0, not {value:g}"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else f"is no text: {value!r}"


def _texts(value: Any) -> str | None:
    good = isinstance(value, list) and value and all(isinstance(v, str) for v in value)
    return None if good else f"is no list of operators: {value!r}"


CHECKS: dict[str, Callable[[Any], str | None]] = {
    "rule": lambda value: None if value in list(KINDS) else _no("relevance rule", value, tuple(KINDS)),
    "operators": _texts,
    "role": lambda value: None if value in ROLES else _no("role", value, ROLES),
    "node": _text,
}


def _no(kind: str, name: Any, known: Sequence[str]) -> str:
    near = get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"no {kind} named '{name}'" + (f"; did you mean '{near[0]}'?" if near else f"; known: {_listed(known)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + f" and {len(names) - 12} more" * (len(names) > 12)


def composite_of(name: str | os.PathLike[str], **parameters: Any) -> Composite:
    """Return the rule set of a composite by name, or of a .toml file by path; parameters: as in `composite`.

    Raises UnknownName, InputError.
    """
    if not str(name).endswith(SUFFIX):
        return composite(str(name), **parameters)
    return composed(str(name), read_composite(name), parameters)
