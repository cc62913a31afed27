"""Parquet files as inputs: rows of features, or pictures as Hugging Face's datasets write them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from onnxpath.batch.loaded import Loaded
from onnxpath.batch.rowgroups import BYTES, NUMBER, STRUCT, TEXT, WHOLE, Groups, open_groups
from onnxpath.batch.tables import LABEL, loaded_row, misfit
from onnxpath.errors import InputError
from onnxpath.runtime.feeds import TensorInfo

IMAGE = "image"
"""The column of encoded pictures, as bytes or as a struct that holds them; others but `label` are passed over there."""


def holds_pictures(path: Path) -> bool:
    """Return whether the rows of a .parquet are pictures; InputError where it cannot be read."""
    return _pictured(open_groups(path))


def open_parquet(path: Path, info: TensorInfo) -> Groups:
    """Open a .parquet of pictures, or of features for a model input of rows of numbers.

    Raises InputError that names everything wrong with its columns at once.
    """
    return _checked(open_groups(path), info)


def read_features(path: Path, row: int, info: TensorInfo) -> tuple[Loaded, str | int | None]:
    """Return a row of features as the model wants it, as `tables.read_row` does, and its label, or None.

    Raises InputError that names file, row and every column whose value is missing or not finite.
    """
    groups = open_parquet(path, info)
    values = groups.row(row, tuple(groups.kinds))
    label = values.pop(LABEL, None)
    cells = {name: "" if value is None else repr(float(value)) for name, value in values.items()}
    return loaded_row(cells, list(cells), info, f"table {path.name}, row {row}"), label


def read_encoded(path: Path, row: int) -> tuple[bytes, str | int | None]:
    """Return the bytes of a picture, still to be decoded, and its label, or None. Raises InputError."""
    groups = open_groups(path)
    values = groups.row(row, tuple(name for name in (IMAGE, LABEL) if name in groups.kinds))
    if values[IMAGE] is None:
        raise InputError(
            f"file {path.name}, row {row}: '{IMAGE}' holds no bytes, and no path is followed; save the picture itself "
            "there, or name files in a manifest"
        )
    return values[IMAGE], values.get(LABEL)


def _pictured(groups: Groups) -> bool:
    return groups.kinds.get(IMAGE) in (BYTES, STRUCT)


@lru_cache(maxsize=4)
def _checked(groups: Groups, info: TensorInfo) -> Groups:
    path, kinds = groups.path, groups.kinds
    problems = [] if len(groups) else ["there are no rows"]
    if kinds.get(LABEL, TEXT) not in (WHOLE, TEXT):
        problems.append(f"column '{LABEL}' is {kinds[LABEL]}, and classes are given by index or name")
    if not _pictured(groups):
        features = [name for name in kinds if name != LABEL]
        wrong = [name for name in features if kinds[name] not in (WHOLE, NUMBER)]
        problems += [f"column '{name}' is {kinds[name]}, not numbers" for name in wrong]
        problems += misfit(features, info, path)
        if len(info.shape) != 2:
            problems.append(f"pictures are read from a column '{IMAGE}' that holds their bytes")
    if problems:
        raise InputError(f"file {path.name} cannot be used: " + "; ".join(problems))
    return groups
