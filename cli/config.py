"""A verb's options from a TOML file: checked against the verb's own declaration, and read as its defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer import Option

from onnxpath_cli.errors import NOTHING_DONE
from onnxpath_cli.output import complain

LEFT_OUT = ("config", "json")
"""Options of the command line that say nothing of the run."""


@dataclass(frozen=True)
class Key:
    """A key of a config file. kind: what its value is, in words; fits: whether a value is one; help: what it does."""

    name: str
    kind: str
    fits: Callable[[Any], bool]
    is_path: bool
    default: Any
    help: str


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take a file's keys as the defaults of the verb's options, so that what stands on the command line wins.

    Paths start from the file's folder. Everything that is wrong with it is told at once, with keys and lines.
    """
    from onnxpath.errors import InputError
    from onnxpath_cli.main import VERBS

    if path is None:
        return None
    try:
        context.default_map = settings(VERBS[str(context.info_name)], path)
    except InputError as error:
        complain(str(error))
        raise typer.Exit(NOTHING_DONE) from None
    return path


Config = Annotated[
    Path | None,
    Option(
        "--config",
        is_eager=True,
        callback=read_config,
        help="TOML file with the keys of docs/jobs.md, one for each argument and option; the command line wins.",
    ),
]


def keys_of(verb: Callable[..., Any]) -> dict[str, Key]:
    """Return the keys of a verb's config file: its arguments and options, as the function declares them."""
    hints = get_type_hints(verb, include_extras=True)
    found = signature(verb).parameters.values()
    return {p.name: _key(p.name, p.default, hints[p.name]) for p in found if p.name not in LEFT_OUT}


def settings(verb: Callable[..., Any], path: Path) -> dict[str, Any]:
    """Return option -> value. Raises InputError that names every wrong key with its line."""
    from onnxpath.errors import InputError

    text, known = _text(path), keys_of(verb)
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"config file '{path}' is not valid TOML: {error}") from error
    problems = [(line_of(text, key), problem) for key in given if (problem := _problem(key, given[key], known))]
    if problems:
        lines = "".join(f"  line {line}: {problem}\n" for line, problem in sorted(problems))
        raise InputError(f"config file '{path}' cannot be used:\n{lines}known keys: {', '.join(known)}")
    return {key: _from_folder(value, path.parent) if known[key].is_path else value for key, value in given.items()}


def line_of(text: str, key: str) -> int:
    """Return the line that a top-level key of a TOML file stands on, counted from 1."""
    named = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if named.match(line)), 1)


def _key(name: str, default: Any, hint: Any) -> Key:
    hint, told = get_args(hint)
    options = [option for option in get_args(hint) if option is not NoneType]
    if get_origin(hint) is UnionType:
        (hint,) = options
    many = get_origin(hint) is list
    if many:
        (hint,) = get_args(hint)
    kind, fits = KINDS[hint]
    if told.min is not None:
        kind, fits = f"{kind} from {told.min}", lambda value: type(value) is int and value >= told.min
    if many:
        one = fits
        kind, fits = f"a list, each {kind}", lambda value: isinstance(value, list) and all(map(one, value))
    return Key(name, kind, fits, hint is Path, None if default is Parameter.empty else default, told.help)


KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", lambda value: type(value) is int),
    str: ("text", lambda value: isinstance(value, str)),
    Path: ("a path", lambda value: isinstance(value, str)),
    Any: ("a number or text", lambda value: type(value) in (int, float, str)),
}
"""Declared type of an option -> what a value of its key is, in words, and whether a value is one."""


def _problem(key: str, value: Any, known: dict[str, Key]) -> str | None:
    if key not in known:
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        return f"unknown key '{key}'" + (f"; did you mean '{near[0]}'?" if near else "")
    return None if known[key].fits(value) else f"{key} must be {known[key].kind}, not {value!r}"


def _from_folder(value: Any, folder: Path) -> Any:
    return [str(folder / one) for one in value] if isinstance(value, list) else str(folder / value)


def _text(path: Path) -> str:
    from onnxpath.errors import InputError

    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"config file '{path}' cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"config file '{path}' is not UTF-8 text: {error.reason}") from error
