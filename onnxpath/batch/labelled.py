"""Labelled inputs as arrays: an .npz with labels, or a folder with a sub-folder for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.explain import Failed, read_inputs
from onnxpath.batch.fit import wanted_inputs
from onnxpath.batch.inputs import find_inputs, label_of
from onnxpath.batch.loaded import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model
from onnxpath.shown import plural

SHOWN = 5


def read_labelled(
    paths: Sequence[Path], model: Model, preprocess: Preprocess, classes: Sequence[str] | None = None
) -> tuple[NDArray[Any], NDArray[np.int64], list[str] | None]:
    """Return the inputs in files and folders as the model wants them [N, ...], their classes [N], and class names.

    classes: names by index; default those in the .npz, else the names of the sub-folders in order, unless all of these
    are numbers, which are the classes then. Raises InputError: files that cannot be read, rows of different sizes,
    inputs without a known class.
    """
    wanted = wanted_inputs(model)
    items = find_inputs(paths, wanted.rank, wanted)
    kept: list[InputItem] = []
    rows: list[NDArray[Any]] = []
    failed: list[str] = []
    for read in read_inputs(model, items, preprocess):
        if isinstance(read, Failed):
            failed.append(read.error)
        else:
            kept.append(read[0])
            rows.append(read[1].array)
    if failed:
        raise InputError(_listed("cannot be read", failed))
    if len(shapes := {row.shape for row in rows}) > 1:
        sizes = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:SHOWN])
        raise InputError(f"the inputs have different sizes ({sizes}); set resize and crop in the preprocess file")
    names = list(classes) if classes is not None else _names(kept)
    labels = [label_of(item, names) for item in kept]
    if unknown := [item.name for item, label in zip(kept, labels, strict=True) if label is None or label[0] is None]:
        raise InputError(
            _listed("without a known class", unknown)
            + "\ngive an .npz with `labels`, or a folder with a sub-folder for each class"
        )
    return np.stack(rows), np.array([label[0] for label in labels if label is not None], np.int64), names


def _names(items: Sequence[InputItem]) -> list[str] | None:
    if items[0].classes is not None:
        return list(items[0].classes)
    said = (item.folder if item.label is None else item.label for item in items)
    names = sorted({name for name in said if isinstance(name, str)})
    return names if any(not name.isdecimal() for name in names) else None


def _listed(what: str, lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    inputs = f"{len(lines)} {plural('input', len(lines))}"
    return f"{inputs} {what}:\n" + "\n".join(f"  {line}" for line in [*lines[:SHOWN], *more])
