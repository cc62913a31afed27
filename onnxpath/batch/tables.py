"""Tables: CSV files whose header names the features and whose every other record is an input."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from onnxpath.batch.loaded import FEATURES, Loaded, Parts, cast, row_shape, spell
from onnxpath.batch.records import Records, records
from onnxpath.errors import InputError
from onnxpath.runtime.feeds import TensorInfo

SEPARATORS = {".csv": ",", ".tsv": "\t"}
LABEL = "label"
"""The column that holds an input's class, by index or name, and is no feature."""


@dataclass(frozen=True)
class Table:
    """A table: columns of features and of the label, None without one; records: the header first."""

    records: Records
    columns: tuple[str, ...]
    label: int | None

    def __len__(self) -> int:
        return len(self.records) - 1


def open_table(path: Path, info: TensorInfo) -> Table:
    """Read the header of a .csv or .tsv for a model input of rows of numbers.

    Raises InputError that names everything wrong with it at once: names that are missing or there twice, a number of
    features that the model does not take.
    """
    found = records(path, quoted=True)
    if not len(found):
        raise InputError(f"table {path.name} is empty; its first line names the features")
    return _open(found, info)


@lru_cache(maxsize=4)
def _open(found: Records, info: TensorInfo) -> Table:
    path = found.path
    columns = tuple(name.strip() for name in _cells(found, 0))
    label = columns.index(LABEL) if LABEL in columns else None
    names = [name for name in columns if name != LABEL]
    problems = [f"the name '{name}' is there {n} times" for name, n in Counter(columns).items() if name and n > 1]
    problems += [f"column {i} has no name" for i, name in enumerate(columns, 1) if not name]
    if names and all(_number(name) is not None for name in names):
        problems.append("the first line holds numbers; it must name the features")
    problems += misfit(names, info, path)
    if len(found) == 1:
        problems.append("there is no line below the names")
    if problems:
        raise InputError(f"table {path.name} cannot be used: " + "; ".join(problems))
    return Table(found, columns, label)


def read_row(path: Path, row: int, info: TensorInfo) -> tuple[Loaded, str | None]:
    """Return one row of a table as the model wants it, and its label as it is written there, or None.

    Raises InputError that names file, line and every column whose cell is missing or no number.
    """
    table = open_table(path, info)
    if row >= len(table):
        raise InputError(f"table {path.name} has {len(table)} rows now; it was changed during the run")
    where = f"table {path.name}, line {table.records.lines[row + 1]}"
    cells = _cells(table.records, row + 1)
    named = dict(zip(table.columns, cells, strict=False))
    features = [name for name in table.columns if name != LABEL]
    extra = [f"it has {len(cells)} cells, the first line names {len(table.columns)} columns"]
    loaded = loaded_row(named, features, info, where, extra * (len(cells) > len(table.columns)))
    return loaded, named.get(LABEL, "").strip() or None


def loaded_row(
    cells: Mapping[str, str], features: Sequence[str], info: TensorInfo, where: str, problems: Sequence[str] = ()
) -> Loaded:
    """Return a row of numbers, given as they are written by column, as the model wants it.

    problems: what else is wrong with it. Raises InputError that names all of it.
    """
    dtype = np.dtype(info.dtype)
    whole = dtype.kind in "iub"
    wrong = [problem for name in features if (problem := _cell_problem(name, cells.get(name), whole))]
    if wrong or problems:
        raise InputError(f"{where}: " + "; ".join([*wrong, *problems]))
    values = np.array([float(cells[name]) for name in features])
    made = cast(values.astype(np.int64) if whole else values, dtype, where, info.name, "give whole numbers")
    return Loaded(made, None, parts=Parts(FEATURES, tuple(features), tuple(values.tolist())))


def _cells(found: Records, index: int) -> list[str]:
    separator = SEPARATORS[found.path.suffix.lower()]
    try:
        return next(csv.reader([found.text(index).rstrip("\r\n")], delimiter=separator, strict=True))
    except csv.Error:
        # A quoted line break: the reader wants the record line by line.
        lines = found.text(index).splitlines(keepends=True)
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"table {found.path.name}, line {found.lines[index]} cannot be read: {error}") from error


def _cell_problem(name: str, cell: str | None, whole: bool) -> str | None:
    if cell is None:
        return f"column '{name}' is missing"
    if not cell.strip():
        return f"column '{name}' is empty"
    value = _number(cell)
    if value is None:
        return f"column '{name}' is '{cell.strip()}', not a number"
    if not np.isfinite(value):
        return f"column '{name}' is {cell.strip()}, which no result can be computed from"
    return f"column '{name}' is {cell.strip()}, the model takes whole numbers" if whole and value % 1 else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def misfit(names: Sequence[str], info: TensorInfo, path: Path) -> list[str]:
    """Return what is wrong with the features of a table, by name, for a model input."""
    shape = row_shape(info)
    if len(shape) != 1:
        return [f"tables are for models whose inputs are rows of numbers, and a row of '{info.name}' is {spell(shape)}"]
    if shape[0] in (None, len(names)):
        return []
    hint = f"a column '{LABEL}' is no feature; take other columns out" if len(names) > (shape[0] or 0) else ""
    if len(names) == 1 and ";" in names[0] and path.suffix.lower() == ".csv":
        hint = "its cells are separated by ';': save it with commas"
    held = f"it has {len(names)} columns of features ({', '.join(names)}), model input '{info.name}' wants {shape[0]}"
    return ["; ".join(part for part in (held, hint) if part)]
