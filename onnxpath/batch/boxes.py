"""Boxes of objects: read from a CSV, and carried through the preprocessing to pixels of the model input."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.inputs import InputItem, is_encoded, open_item
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError

CORNERS = ("x0", "y0", "x1", "y1")

Box = tuple[float, float, float, float]


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Read file -> boxes (x0, y0, x1, y1), in pixels of the file and ends left out, from a CSV with a header.

    Columns file, x0, y0, x1, y1 are read and others passed over; a file may have several lines.
    Raises InputError that names missing columns and the first line that cannot be read.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            # A name may be followed by a remark: "y1 (pixels)".
            reader.fieldnames = [name.partition(" ")[0] for name in map(str.strip, reader.fieldnames or ())]
            missing = [name for name in ("file", *CORNERS) if name not in reader.fieldnames]
            if missing:
                raise InputError(
                    f"boxes '{path}' have no column {', '.join(missing)}; the first line names the columns"
                )
            found: dict[str, list[Box]] = {}
            for line in reader:
                found.setdefault(line["file"], []).append(_box(line, f"boxes '{path}', line {reader.line_num}"))
    except OSError as error:
        raise InputError(f"boxes '{path}' cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"boxes '{path}' are not UTF-8 text: {error}") from error
    except csv.Error as error:
        raise InputError(f"boxes '{path}' are no CSV: {error}") from error
    return found


def boxes_of(item: InputItem, boxes: Mapping[str, Sequence[Box]], preprocess: Preprocess) -> NDArray[Any]:
    """Return an input's boxes [k, 4] in pixels of the model input, none where the CSV has none for it.

    They are looked up by the input's name, then by its file's name; of an encoded picture they are carried through
    resize and crop, and cut off at the edges; what then lies outside is left out. Rows of arrays keep theirs as they
    are.
    """
    listed = boxes.get(item.name, boxes.get(item.path.name, ()))
    if not listed:
        return np.zeros((0, 4))
    if not is_encoded(item):
        return np.asarray(listed, np.float64)
    return carried(np.asarray(listed, np.float64), open_item(item).size, preprocess)


def carried(boxes: NDArray[Any], size: tuple[int, int], preprocess: Preprocess) -> NDArray[Any]:
    """Carry boxes [k, 4] from pixels of a picture to pixels of what is left of it after resize and crop.

    size: width and height of the picture.
    """
    width, height = size
    after = _resized(width, height, preprocess.resize)
    moved = boxes * np.asarray([after[0] / width, after[1] / height] * 2)
    if preprocess.crop is not None:
        crop = preprocess.crop
        high, wide = (crop, crop) if isinstance(crop, int) else crop
        # As the crop itself rounds.
        left, top = round((after[0] - wide) / 2), round((after[1] - high) / 2)
        moved, after = moved - np.asarray([left, top] * 2), (wide, high)
    moved = np.clip(moved, 0, np.asarray(after * 2))
    return np.asarray(moved[(moved[:, 2] > moved[:, 0]) & (moved[:, 3] > moved[:, 1])])


def _resized(width: int, height: int, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """Return width and height after a resize, as picture.resize computes them."""
    if size is None:
        return width, height
    if not isinstance(size, int):
        return size[1], size[0]
    short, long = sorted((height, width))
    other = max(size, size * long // short)
    return (other, size) if height <= width else (size, other)


def _box(line: Mapping[str, Any], where: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(line[name]) for name in CORNERS)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: x0, y0, x1, y1 must be numbers: {error}") from error
    if not (x0 < x1 and y0 < y1):
        raise InputError(f"{where}: a box needs x0 < x1 and y0 < y1, not {x0:g}, {y0:g}, {x1:g}, {y1:g}")
    return x0, y0, x1, y1
