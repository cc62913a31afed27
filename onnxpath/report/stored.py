"""A finished report read again: report.json row by row, so that memory holds no more than one input at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnxpath.errors import InputError
from onnxpath.report.data import Failure, Item, ModelFacts, RunFacts
from onnxpath.report.plain import ITEMS, SCHEMA
from onnxpath.report.write import DATA
from onnxpath.typed import parse, read_as


@dataclass(frozen=True)
class Run:
    """A finished report: its folder, and what its report.json says.

    items: the explained inputs by name, read when they are asked for; classes: index -> name, as predictions tell.
    """

    folder: Path
    model: ModelFacts
    run: RunFacts
    items: Mapping[str, Item]
    failures: list[Failure] = field(default_factory=list)
    classes: Mapping[int, str] = field(default_factory=dict)

    def class_names(self) -> list[str]:
        """Return the class names by index that the predictions tell; what none tells is its index."""
        return [self.classes.get(index, str(index)) for index in range(max(self.classes, default=-1) + 1)]


@dataclass(frozen=True)
class _Stored:
    """What is read of a report.json."""

    schema: int
    model: ModelFacts
    run: RunFacts
    items: list[Item]
    failures: list[Failure] = field(default_factory=list)


class _Rows(Mapping[str, Item]):
    """Inputs by name. Of each only its place in the file is held, and it is read and checked at every access."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}

    def put(self, name: str, start: int, length: int) -> None:
        self._places[name] = start, length

    def __getitem__(self, name: str) -> Item:
        start, length = self._places[name]
        with self._path.open("rb") as file:
            file.seek(start)
            return read_as(Item, parse(file.read(length)))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def read_run(folder: Path) -> Run:
    """Read a folder that `onnxpath report` wrote, every value checked; InputError where it is something else."""
    path = folder / DATA
    try:
        return _by_row(folder, path) or _whole(folder, path)
    except OSError as error:
        raise InputError(
            f"folder '{folder}' holds no finished report ({DATA}: {error.strerror or error}); "
            "give two folders that `onnxpath report` wrote, or two models"
        ) from error
    except ValueError as error:
        raise InputError(f"'{path}' is not the data of a report: {error}") from error


def _whole(folder: Path, path: Path) -> Run:
    """Read a file in any layout of JSON, at once."""
    stored = _head(path, path.read_bytes())
    classes = {p.index: p.name for item in stored.items for p in item.predictions}
    items = {item.name: item for item in stored.items}
    return Run(folder, stored.model, stored.run, items, stored.failures, classes)


def _by_row(folder: Path, path: Path) -> Run | None:
    """Read a file as `json_pieces` lays it out, an input a line; None where it is laid out in another way."""
    rows, classes, around = _Rows(path), dict[int, str](), list[bytes]()
    begin, within, start = f"{ITEMS[:-1]}\n".encode().lstrip(b"\n"), False, 0
    with path.open("rb") as file:
        for line in file:
            if within and line.startswith(b"  {"):
                text = line.rstrip(b",\n")
                try:
                    plain = json.loads(text)
                except (ValueError, RecursionError):
                    return None
                item = read_as(Item, plain)
                rows.put(item.name, start, len(text))
                classes.update((p.index, p.name) for p in item.predictions)
            else:
                within = line == begin
                around.append(line)
            start += len(line)
    if begin not in around:
        return None
    stored = _head(path, b"".join(around))
    return Run(folder, stored.model, stored.run, rows, stored.failures, classes)


def _head(path: Path, text: bytes) -> _Stored:
    plain = parse(text)
    if isinstance(plain, dict) and plain.get("schema", SCHEMA) != SCHEMA:
        raise InputError(f"'{path}' has format {plain['schema']!r:.20}, and this onnxpath reads {SCHEMA}")
    return read_as(_Stored, plain)
