"""The index of a page: the few numbers of every input that its gallery filters, sorts and shows."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from onnxpath.files import printable
from onnxpath.report.data import ClassRef, Item
from onnxpath.report.quantities import QUANTITIES, correct

DIGITS = 5


COLUMNS: dict[str, Callable[[Item], Any]] = {
    "name": lambda item: printable(item.name),
    "class": lambda item: item.predictions[0] if item.predictions else None,
    "label": lambda item: item.label,
    "correct": correct,
    **{name: QUANTITIES[name] for name in ("kept", "confidence", "margin", "density")},
    "warnings": lambda item: len(item.warnings),
}
"""Column -> its value for an item, or for a row of report.json with its fields as attributes."""


def index_pieces(
    inputs: Iterable[tuple[int, Item]], pictures: Callable[[], Iterable[int]] = tuple, unit: int = 0
) -> Iterator[str]:
    """Yield the index as JSON, in pieces; the same inputs are always the same text, and it holds no "<".

    columns: names; rows: one value for each of them, and the input's number first; classes: [key, name] of the classes
    that rows name by their keys; limits: method -> median over the inputs of the value that gets the full colour.
    inputs: (number, item); unit: inputs in a data file, 0 where the page holds all; pictures: the units that have a
    sheet of small pictures, asked for last.
    """
    classes: dict[int | str, str] = {}
    limits: dict[str, array[float]] = {}
    yield f'{{"unit": {unit}, "columns": {_json(["number", *COLUMNS])}, "rows": ['
    separator = "\n"
    for number, item in inputs:
        values = [_value(of(item), classes) for of in COLUMNS.values()]
        yield f"{separator}{_json([number, *values])}"
        separator = ",\n"
        for entry in item.maps:
            limits.setdefault(entry.method, array("d")).append(entry.limit)
    named = sorted(classes.items(), key=lambda pair: (isinstance(pair[0], str), pair[0]))
    rest = {
        "classes": [[key, name] for key, name in named],
        "limits": {method: _short(sorted(found)[len(found) // 2]) for method, found in limits.items()},
        "pictures": list(pictures()),
    }
    yield f"\n], {_json(rest)[1:]}"


def _value(value: Any, classes: dict[int | str, str]) -> Any:
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, int | str):
        return value
    return _class_key(value, classes)


def _class_key(value: ClassRef, classes: dict[int | str, str]) -> int | str:
    key = printable(value.name) if value.index is None else value.index
    classes.setdefault(key, printable(value.name))
    return key


def _short(value: float) -> float | None:
    """A number in few letters; one that is not finite is None."""
    return float(f"{value:.{DIGITS}g}") if abs(value) < float("inf") else None


def _json(value: Any) -> str:
    # "<" is spelled out so that no name can end the element of the page that the text stands in.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
