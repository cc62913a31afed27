"""Plain data read back as what it was made of: every value is compared with the type that its field declares."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]
MOST = 2**63
"""Whole numbers are smaller: larger ones are no size, index or count, and no float either."""


def parse(text: str | bytes) -> Any:
    """Return what JSON from anywhere says; ValueError for what is none: NaN and lists nested without end, too."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read_as(kind: type[T], value: Any) -> T:
    """Return plain data as dataclasses, lists, numbers and texts, as `kind` declares them.

    Fields with a default may be missing, what a dataclass does not know is passed over, and fields that JSON does not
    hold (metadata json=False) get their default. Raises ValueError: the key, and what is wrong with its value.
    """
    declared: Any = kind
    made: T = _reader(declared)(value)
    return made


class _Wrong(ValueError):
    """A value of another type than declared. keys: the way to it, innermost first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.keys: list[str] = []

    def __str__(self) -> str:
        return f"'{'.'.join(reversed(self.keys))}' {self.args[0]}" if self.keys else f"it {self.args[0]}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _within(key: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except _Wrong as wrong:
        wrong.keys.append(key)
        raise


def _said(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < MOST else "a number of more than 18 digits"
    return text if len(text) <= 40 else f"{text[:40]}..."


# ------------------------------------------------------------------------------------------------ readers by type

# Types are compared as they are, which tells true from 1, and each reader is one call: a row has 250 values.


def _exactly(kind: type, what: str) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _not(what, value)
        return value

    return read


def _whole(value: Any) -> Any:
    if type(value) is not int or not -MOST < value < MOST:
        raise _not("a whole number", value)
    return value


def _number(value: Any) -> Any:
    fits = math.isfinite(value) if type(value) is float else type(value) is int and -MOST < value < MOST
    if not fits:
        raise _not("a number", value)
    return value


def _not(what: str, value: Any) -> _Wrong:
    return _Wrong(f"is {_said(value)}, not {what}")


SCALARS: dict[Any, Reader] = {
    Any: lambda value: value,
    str: _exactly(str, "text"),
    bool: _exactly(bool, "true or false"),
    int: _whole,
    float: _number,
}


@cache
def _reader(kind: Any) -> Reader:
    """Return what reads a value of a type."""
    if kind in SCALARS:
        return SCALARS[kind]
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return _one_of([_reader(part) for part in parts if part is not NoneType], NoneType in parts)
    if origin in (list, tuple):
        return _list(_reader(parts[0]), origin)
    if origin in (dict, Mapping):
        return _dict(_reader(parts[1]))
    if is_dataclass(kind):
        return _dataclass(kind)
    return _exactly(kind, f"a {getattr(kind, '__name__', kind)}, which no plain data is")


def _one_of(readers: list[Reader], or_none: bool) -> Reader:
    def read(value: Any) -> Any:
        if value is None and or_none:
            return None
        told: list[_Wrong] = []
        for reader in readers:
            try:
                return reader(value)
            except _Wrong as wrong:
                told.append(wrong)
        # What is wrong inside of a value says more than what the value is not.
        raise next((wrong for wrong in told if wrong.keys), told[0])

    return read


def _list(read_one: Reader, make: Callable[[list[Any]], Any]) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise _not("a list", value)
        try:
            return make([read_one(inner) for inner in value])
        except _Wrong:
            # Again with the place in mind, which takes twice as long and only an error says.
            return make([_within(str(place), read_one, inner) for place, inner in enumerate(value)])

    return read


def _dict(read_one: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _not("a table", value)
        return {key: _within(key, read_one, inner) for key, inner in value.items()}

    return read


def _dataclass(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    held = [f for f in fields(kind) if f.init and f.metadata.get("json", True)]
    readers = {f.name: _reader(hints[f.name]) for f in held}
    needed = [f.name for f in held if _has_no_default(f)]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _not("a table", value)
        if missing := [name for name in needed if name not in value]:
            raise _Wrong(f"has no '{missing[0]}'")
        given = [(name, reader, value[name]) for name, reader in readers.items() if name in value]
        try:
            return kind(**{name: reader(inner) for name, reader, inner in given})
        except _Wrong:
            return kind(**{name: _within(name, reader, inner) for name, reader, inner in given})

    return read


def _has_no_default(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
