"""Manifests: CSV, JSONL and Parquet files that name inputs one by one, with their classes and targets."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from onnxpath.batch.loaded import InputItem, as_label, is_index
from onnxpath.batch.rowgroups import PARQUET, open_groups
from onnxpath.errors import InputError

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PATH, LABEL, TARGET = "path", "label", "target"
COLUMNS = (PATH, LABEL, TARGET)
MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a manifest. path: from the manifest's folder on; label: class by index or name; target: by index."""

    path: Path
    label: str | int | None
    target: int | None

    def noted(self, item: InputItem) -> InputItem:
        """Return an item of this file with what the manifest says of it."""
        made = item if self.target is None else replace(item, target=self.target)
        return made if self.label is None else replace(made, label=as_label(str(self.label)))


def is_manifest(path: Path) -> bool:
    """Return whether a file is a manifest: `path`, and nothing but COLUMNS, in its header or first record."""
    try:
        _, first = next(_records(path), ("", {}))
    except (InputError, OSError, ValueError, RecursionError, csv.Error):
        return False
    return _names_inputs(first)


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """Read a manifest, which is kept in memory. Raises InputError that tells every wrong line, the first MOST_TOLD."""
    stamp = path.stat()
    return _entries(path, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=4)
def _entries(path: Path, stamp: tuple[int, int]) -> tuple[Entry, ...]:
    del stamp  # only there so that a changed file is read again
    entries: list[Entry] = []
    problems: list[str] = []
    places: dict[str, str] = {}
    try:
        for place, record in _records(path):
            if problem := _problem(record, places):
                problems.append(f"{place}: {problem}")
                continue
            places[record[PATH]] = place
            target = record.get(TARGET)
            label = record.get(LABEL)
            entries.append(
                Entry(
                    path.parent / record[PATH],
                    None if label in (None, "") else label,
                    None if target in (None, "") else int(target),
                )
            )
    except (InputError, ValueError, RecursionError, csv.Error) as error:
        problems.append(str(error))
    if problems:
        left = len(problems) - MOST_TOLD
        told = "\n".join(f"  {problem}" for problem in problems[:MOST_TOLD])
        raise InputError(f"manifest '{path}' cannot be used:\n{told}" + (f"\n  and {left} more" if left > 0 else ""))
    if not entries:
        raise InputError(f"manifest '{path}' names no inputs")
    return tuple(entries)


def _names_inputs(columns: Collection[str]) -> bool:
    return PATH in columns and set(columns) <= set(COLUMNS)


def _problem(record: Mapping[str, Any], places: Mapping[str, str]) -> str | None:
    where, label, target = (record.get(name) for name in COLUMNS)
    if wrong := [name for name in record if name not in COLUMNS]:
        return f"{', '.join(map(repr, wrong))}: a manifest has {', '.join(COLUMNS)} only"
    if not isinstance(where, str) or not where or "\0" in where:
        return f"'{PATH}' must name a file, not {where!r}"
    if where in places:
        return f"'{where}' stands on {places[where]} already"
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        return f"'{LABEL}' must be a class index or name, not {label!r}"
    if target not in (None, "") and (isinstance(target, bool) or not is_index(str(target))):
        return f"'{TARGET}' must be the index of an output entry, not {target!r}"
    return None


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, record) of a manifest; nothing for a file of another kind."""
    suffix = path.suffix.lower()
    if suffix in SEPARATORS:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=SEPARATORS[suffix], skipinitialspace=True)
            for record in reader:
                # What is beyond the header's columns stands under None.
                yield f"line {reader.line_num}", {str(name): value for name, value in record.items()}
    elif suffix == ".jsonl":
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    record = json.loads(text)
                    yield f"line {line}", record if isinstance(record, dict) else {}
    elif suffix == PARQUET:
        groups = open_groups(path)
        columns = tuple(groups.kinds)
        for row in range(len(groups) if _names_inputs(columns) else 0):
            yield f"row {row}", groups.row(row, columns)
