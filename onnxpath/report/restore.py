"""Items as a page shows them, from what a run left in its folder: rows, raw arrays, and the inputs themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from onnxpath.batch.explain import Failed, read_inputs
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.loaded import Parts
from onnxpath.report.build import map_channel_axis, maps
from onnxpath.report.data import Item
from onnxpath.report.prepare import Job


def restored(job: Job, rows: Sequence[tuple[InputItem, Mapping[str, Any]]]) -> list[Item]:
    """Return items from their rows in report.json, with the pictures and maps that a page shows.

    Raw arrays are read again, and so are the inputs; one that is gone since has no picture.
    """
    inputs = read_inputs(job.model, [item for item, _ in rows], job.preprocess)
    axis = map_channel_axis(job.model, job.preprocess)
    made = []
    for (_, row), read in zip(rows, inputs, strict=True):
        item: Item = _from_plain(Item, row)
        _add_maps(item, job.out, axis)
        item.shown = None if isinstance(read, Failed) else read[1].shown
        made.append(item)
    return made


def _add_maps(item: Item, folder: Path, axis: int | None) -> None:
    named = [(part.name, part.value) for part in item.parts]
    parts = Parts(item.parts_are, *map(tuple, zip(*named, strict=True))) if item.parts_are and named else None
    with np.load(folder / str(item.arrays), allow_pickle=False) as arrays:
        for shown in item.maps:
            (again,) = maps({shown.method: arrays[f"map_{shown.method}"]}, axis, {}, parts)
            shown.values = again.values


def _from_plain(kind: Any, value: Any) -> Any:
    """Return what `as_plain` was made of, by the types that its fields are declared with."""
    if value is None:
        return None
    if get_origin(kind) is list:
        (inner,) = get_args(kind)
        return [_from_plain(inner, one) for one in value]
    options = [option for option in get_args(kind) if option is not NoneType]
    if len(options) == 1:
        kind = options[0]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{f.name: _from_plain(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
