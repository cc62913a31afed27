"""Texts and token ids: .txt, .jsonl and .json files, and .npz files of named arrays, as inputs of token models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.loaded import TOKENS, Loaded, Parts, Wanted, cast, fits, row_shape, spell
from onnxpath.batch.records import records
from onnxpath.batch.tokenizer import encode
from onnxpath.errors import InputError

TEXT_SUFFIXES = (".txt", ".jsonl", ".json")
TEXT, PAIR, NAMES, LABEL = "text", "text_pair", "tokens", "label"
"""Keys of a record beside the names of the model's inputs."""


def count_texts(path: Path) -> int:
    """Return how many records a file holds; InputError where it cannot be read or holds none."""
    count = len(_json(path)) if path.suffix.lower() == ".json" else len(records(path))
    if not count:
        raise InputError(f"file {path.name} holds no texts")
    return count


def read_text(path: Path, row: int, wanted: Wanted, tokenizer: str | None) -> tuple[Loaded, str | int | None]:
    """Return one record as the model wants it, and its label, or None.

    A line of a .txt is a text. A line of a .jsonl, or an entry of the list in a .json, holds either `text` (and
    `text_pair`), or token ids and what else the model takes under its inputs' names, and `tokens` to name them.
    tokenizer: path of a tokenizer.json, for texts. Raises InputError, naming everything wrong with the record.
    """
    record, where = _record(path, row)
    label = record.get(LABEL)
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        raise InputError(f"{where}: '{LABEL}' must be a class index or name, not {label!r}")
    if TEXT not in record:
        _check_keys(record, {*(i.name for i in wanted.infos), NAMES, LABEL}, where)
        arrays = {key: value for key, value in record.items() if key not in (NAMES, LABEL)}
        return from_arrays(arrays, record.get(NAMES), wanted, where), label
    _check_keys(record, {TEXT, PAIR, LABEL}, where)
    texts = [record[TEXT], *([record[PAIR]] if record.get(PAIR) is not None else [])]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: '{TEXT}' and '{PAIR}' must be texts")
    encoded, names, note = encode(tokenizer, texts, wanted, where)
    return from_arrays(encoded, names, wanted, where, note), label


def from_arrays(
    arrays: Mapping[str, Any], names: Sequence[str] | None, wanted: Wanted, where: str, note: str = ""
) -> Loaded:
    """Return one row given by the names of the model's inputs, checked; InputError that names all that do not fit.

    names: of the tokens, default the ids.
    """
    problems, made = [], {}
    if missing := [info.name for info in wanted.infos if info.name not in arrays]:
        problems.append(f"{', '.join(missing)}: no values were given, and the model takes them")
    for info in wanted.infos:
        if info.name in arrays:
            try:
                made[info.name] = _row(arrays[info.name], info.dtype, row_shape(info), info.name)
            except InputError as error:
                problems.append(str(error))
    lengths = {name: value.shape for name, value in made.items() if value.ndim == 1}
    if len(set(lengths.values())) > 1:
        problems.append("lengths differ: " + ", ".join(f"{name} {spell(shape)}" for name, shape in lengths.items()))
    main = made.get(wanted.main.name)
    listed = names is None or (isinstance(names, list | tuple) and all(isinstance(n, str) for n in names))
    if not listed or (names is not None and main is not None and len(names) != main.size):
        problems.append(f"'{NAMES}' must list a text for each of the token ids")
    if problems or main is None:
        raise InputError(f"{where}: " + "; ".join(problems))
    others = {name: value for name, value in made.items() if name != wanted.main.name}
    return Loaded(main, None, note, others, parts_of(main, names))


def parts_of(ids: NDArray[Any], names: Sequence[str] | None = None) -> Parts | None:
    """Return the tokens of a row of ids, named by themselves where no names are given; None for other shapes."""
    if ids.ndim != 1:
        return None
    return Parts(TOKENS, tuple(names if names is not None else map(str, ids.tolist())), tuple(map(float, ids.tolist())))


def _row(given: Any, dtype: str, shape: list[int | None], name: str) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf" or not array.size:
        raise InputError(f"{name}: must be a list of numbers")
    if not fits(array.shape, shape):
        raise InputError(f"{name}: is {spell(array.shape)}, the model wants {spell(shape)}")
    return cast(array, np.dtype(dtype), name, name, "give whole numbers")


def _record(path: Path, row: int) -> tuple[dict[str, Any], str]:
    if path.suffix.lower() == ".json":
        entries = _json(path)
        where, count = f"file {path.name}, entry {row}", len(entries)
        value = entries[row] if row < count else None
    else:
        found = records(path)
        count = len(found)
        where = f"file {path.name}, line {found.lines[row] if row < count else '?'}"
        text = found.text(row) if row < count else ""
        value = {TEXT: text.strip()} if path.suffix.lower() == ".txt" else _parsed(text, where)
    if not count:
        raise InputError(f"file {path.name} holds no texts")
    if row >= count:
        raise InputError(f"file {path.name} has {count} records now; it was changed during the run")
    if not isinstance(value, dict):
        raise InputError(f"{where}: must hold an object with keys and values, not a {type(value).__name__}")
    return value, where


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not valid JSON: {error}") from error


def _json(path: Path) -> list[Any]:
    try:
        return _read_json(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"file {path.name} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"file {path.name} is not valid JSON: {error}") from error


@lru_cache(maxsize=1)
def _read_json(path: Path, stamp: int) -> list[Any]:
    del stamp  # only there so that a changed file is read again
    value = json.loads(path.read_text(encoding="utf-8-sig"))
    return value if isinstance(value, list) else [value]


def _check_keys(record: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := [key for key in record if key not in known]:
        raise InputError(f"{where}: unknown {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}")
