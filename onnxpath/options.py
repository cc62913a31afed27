"""Options of what is registered: keyword-only parameters, checked by their annotations, and read from NAME=VALUE."""

from __future__ import annotations

import ast
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.errors import InputError, UnknownName, all_of, unknown

Kind: TypeAlias = tuple[str, Callable[[Any], bool]]

KINDS: dict[Any, Kind] = {
    bool: ("true or false", lambda value: isinstance(value, (bool, np.bool_))),
    int: ("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool)),
    float: ("a number", lambda value: isinstance(value, Real) and not isinstance(value, bool)),
    str: ("text", lambda value: isinstance(value, (str, os.PathLike))),
    NoneType: ("none", lambda value: value is None),
}
"""Annotation -> what a value is, in words, and whether a value is one; any other annotation takes every value."""

NAMED: dict[str, Kind] = {"seed": ("a whole number from 0", lambda value: KINDS[int][1](value) and value >= 0)}
"""Name -> what a value is, where that is narrower than the annotation, and the same in every entry."""


@dataclass(frozen=True)
class Options:
    """The options of one entry. of: kind and name, for errors ("method 'lrp'"); function: declares them."""

    of: str
    function: Callable[..., Any]

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Names with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @cached_property
    def passes_on(self) -> bool:
        """True where it takes further options, for something else."""
        parameters = inspect.signature(self.function).parameters.values()
        return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)

    def check(self, given: Mapping[str, Any], beside: Options | None = None) -> None:
        """Raise UnknownName for names that it does not have, InputError for values of another kind; all at once.

        Names that it passes on are not its own to check. beside: what passes these on, whose own the user may have
        meant.
        """
        values = (partial(self._check, name, value) for name, value in given.items())
        all_of(lambda: self._check_names(given, beside), *values)

    def read(self, name: str, text: str) -> Any:
        """Return the value that a text says: `value_of`, or the text where text is what the option takes.

        Raises InputError for a value of another kind, and for a file that cannot be read.
        """
        value = value_of(name, text)
        if self._fits(name, value):
            return value
        self._check(name, text)
        return text

    def _check_names(self, names: Mapping[str, Any], beside: Options | None) -> None:
        wrong = [name for name in names if name not in self.defaults]
        if wrong and not self.passes_on:
            entries = [self] if beside is None else [beside, self]
            raise no_option(entries, wrong)

    def _check(self, name: str, value: Any) -> None:
        if not self._fits(name, value):
            words = " or ".join(word for word, _ in self._kinds[name])
            raise InputError(f"option '{name}' of {self.of} is {words}, not {repr(value)[:80]}")

    def _fits(self, name: str, value: Any) -> bool:
        kinds = self._kinds.get(name)
        return kinds is None or any(fits(value) for _, fits in kinds)

    @cached_property
    def _kinds(self) -> dict[str, list[Kind]]:
        """What the options may be that are not open to every value."""
        try:
            hints = get_type_hints(self.function)
        except NameError:  # imported for the type checker alone: such a function checks its values itself
            return {}
        found = {name: _parts(hints[name]) for name in self.defaults if name in hints}
        known = {name: [KINDS[part] for part in parts] for name, parts in found.items() if set(parts) <= set(KINDS)}
        return known | {name: [NAMED[name]] for name in known.keys() & NAMED.keys()}


def read_pairs(entries: Sequence[Options], pairs: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each entry those of the given options that it has, as name -> value; one has to have each of them.

    pairs: NAME=VALUE, read as `Options.read` does. What none lists goes to those that pass further options on. Raises
    InputError, UnknownName: every pair that is none, every name and every value that does not fit, at once.
    """
    found = all_of(*(partial(_read, entries, pair) for pair in pairs))
    return [{name: values[entry.of] for name, values in found if entry.of in values} for entry in entries]


def no_option(entries: Sequence[Options], names: Sequence[str]) -> UnknownName:
    """Build the error for names that none of the entries has."""
    kind = entries[0].of.partition(" ")[0]
    of = " or ".join([entries[0].of, *(entry.of.removeprefix(f"{kind} ") for entry in entries[1:])])
    return unknown(f"option of {of}", names, {name: None for entry in entries for name in entry.defaults})


def split_pair(pair: str) -> tuple[str, str]:
    """Return name and text of NAME=VALUE; `-` in a name is `_`. Raises InputError where there is no `=`."""
    name, equals, text = pair.partition("=")
    if not equals or not name.strip():
        raise InputError(f"'{pair}' is not NAME=VALUE")
    return name.strip().replace("-", "_"), text.strip()


def read_pair(pair: str) -> tuple[str, Any]:
    """Return name and value of NAME=VALUE, of what declares no kinds. Raises InputError."""
    name, text = split_pair(pair)
    return name, value_of(name, text)


def value_of(name: str, text: str) -> Any:
    """Return what a text says: JSON, else a Python literal, else an .npy file, else the text; lists become tuples.

    name: of the option, for the InputError of a file that cannot be read.
    """
    for read in (json.loads, ast.literal_eval):
        try:
            return _tuples(read(text))
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    if not text.lower().endswith(".npy"):
        return text
    try:
        return load_arrays(Path(text), name)[name]
    except DAMAGED as error:
        raise InputError(f"option '{name}': array file '{text}' cannot be read: {error}") from error


def _read(entries: Sequence[Options], pair: str) -> tuple[str, dict[str, Any]]:
    """Return the name, and the value for each entry that has it."""
    name, text = split_pair(pair)
    having = [entry for entry in entries if name in entry.defaults]
    takers = having or [entry for entry in entries if entry.passes_on]
    if not takers:
        raise no_option(entries, [name])
    values = all_of(*(partial(entry.read, name, text) for entry in takers))
    return name, {entry.of: value for entry, value in zip(takers, values, strict=True)}


def _parts(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(part) for key, part in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value
