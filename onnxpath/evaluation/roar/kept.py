"""What a study reads again from its folder: points, networks, rankings and checkpoints, damaged ones by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.errors import JobError
from onnxpath.evaluation.roar.result import Point
from onnxpath.runtime.session import Array


def read_point(path: Path, key: tuple[str, float, int]) -> Point:
    """Read the point of a training; key: its method, percentage and seed. Raises JobError."""
    try:
        # NaN is read too: the loss of a training that went astray.
        point = Point(**json.loads(path.read_bytes()))
        numbers = (point.accuracy, point.epoch, point.loss, point.seconds)
        if (point.method, point.percent, point.seed) != key or not all(type(n) in (int, float) for n in numbers):
            raise ValueError("it is of another training")
    except (*DAMAGED, RecursionError) as error:
        raise damaged(path, error) from error
    return point


def read_table(path: Path) -> dict[str, Any]:
    """Read what the points depend on. Raises JobError."""
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no table")
    except (*DAMAGED, RecursionError) as error:
        raise JobError(f"'{path}' cannot be read: {error}; choose another folder, or delete this one") from error
    return found


def read_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Read the arrays of these names and shapes, float32. Raises JobError where others are there."""
    try:
        found = load_arrays(path)
        if {name: array.shape for name, array in found.items()} != dict(shapes):
            raise ValueError("it holds other arrays")
        if wrong := [name for name, array in found.items() if array.dtype != "float32"]:
            raise ValueError(f"'{wrong[0]}' is {found[wrong[0]].dtype}, not float32")
    except DAMAGED as error:
        raise damaged(path, error) from error
    return found


def damaged(path: Path, error: Exception) -> JobError:
    """Return the error of a file that no study wrote like that."""
    return JobError(f"'{path}' is not what a study writes: {error}; delete it, and the same command makes it again")
