"""Report data as JSON: fields under their own names, floats that are not finite as null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from onnxpath.files import printable
from onnxpath.report.compared import ComparePage
from onnxpath.report.data import PageData, Report
from onnxpath.report.summary import summarise

# Raised when a field of report.json changes its meaning or goes away; new fields do not raise it.
SCHEMA = 1

ITEMS, COMPARED = '\n "items": []', '\n  "inputs": []'
"""Where the inputs stand in report.json and in compare.json."""


def as_plain(value: Any) -> Any:
    """Turn report data into dicts, lists, strings, numbers and None; numpy scalars and arrays included."""
    kind = type(value)
    if kind is str:
        return printable(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is int or kind is bool or value is None:
        return value
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    return as_plain(_opened(value))


def _opened(value: Any) -> Any:
    """Return what JSON has no word for as the dict, list, number or string that stands for it."""
    if is_dataclass(kind := type(value)):
        return {name: getattr(value, name) for name in _shown(kind)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return printable(value.as_posix())
    raise TypeError(f"report data cannot hold a {kind.__name__}: {value!r}")


@cache
def _shown(kind: type) -> list[str]:
    return [item.name for item in fields(kind) if item.metadata.get("json", True)]


def to_json(report: PageData) -> str:
    """Return a page's JSON as text: UTF-8 safe, indented, in a stable order."""
    return "".join(json_pieces(report))


def json_pieces(report: PageData, rows: Iterable[str] | None = None) -> Iterator[str]:
    """Yield the text of `to_json` in pieces, a report's inputs, or those of a comparison, one by one.

    rows: the JSON text of each input, default those of the page. What cannot be written raises before the first piece.
    """
    if isinstance(report, Report):
        whole = as_plain(replace(report, items=[])) | {"summary": as_plain(summarise(report))}
        yield from _with_rows(whole, ITEMS, map(compact, report.items) if rows is None else rows)
    elif isinstance(report, ComparePage):
        whole = as_plain(replace(report, comparison=replace(report.comparison, inputs=())))
        yield from _with_rows(whole, COMPARED, map(compact, report.comparison.inputs) if rows is None else rows)
    else:
        yield _text({"schema": SCHEMA, **as_plain(report)}) + "\n"


def _with_rows(whole: dict[str, Any], place: str, rows: Iterable[str]) -> Iterator[str]:
    # Line breaks inside of texts are escaped, so that the last such line is the list that was left empty.
    before, after = _text({"schema": SCHEMA, **whole}).rsplit(place, 1)
    yield before + place[:-1]
    for index, row in enumerate(rows):
        yield f"{',' if index else ''}\n  {row}"
    yield f"\n ]{after}\n"


def compact(value: object) -> str:
    """Return report data as JSON text on one line."""
    try:
        # As a rule nothing has to be replaced, and the encoder goes through an input's 150 values by itself.
        text = json.dumps(value, default=_opened, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:
        text = json.dumps(as_plain(value), ensure_ascii=False, allow_nan=False)
    return text


def _text(plain: Any) -> str:
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
