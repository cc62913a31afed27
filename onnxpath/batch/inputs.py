"""The inputs of a run: finding them in files and folders, and reading one of them as the model wants it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.batch.arrays import read_rows
from onnxpath.batch.picture import open_picture
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
ARRAY_SUFFIXES = (".npy", ".npz")

Shape = Sequence[int | None]


@dataclass(frozen=True)
class InputItem:
    """One input of a run: an image file, or one row of an array file.

    name: unique in the run ("cats/7.png", "test.npz[12]"). row: index in an array file of several rows, otherwise None.
    folder: name of the sub-folder that a file lay in, which often is its class. label, classes: from an .npz, or None.
    """

    name: str
    path: Path
    row: int | None = None
    folder: str | None = None
    label: int | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Loaded:
    """One input, ready for the model.

    array: the model input without batch. shown: uint8 (H, W, 3) of what the model saw, or None where it is no picture.
    note: how `shown` was made, where it is not simply the picture; otherwise "".
    """

    array: NDArray[Any]
    shown: NDArray[np.uint8] | None
    note: str = ""


def find_files(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """List files of inputs as (folder that was named, file), each file once and in the order of `find_inputs`.

    Raises InputError, naming all of them, for paths that do not exist, named files of other kinds, and empty folders.
    """
    problems: list[str] = []
    found: list[tuple[Path, Path]] = []  # (root, file)
    for path in map(Path, paths):
        files = [path] if path.is_file() else _walk(path)
        root = path.parent if path.is_file() else path
        problems += _path_problem(path, files)
        found += [(root, file) for file in files]
    if problems or not found:
        raise InputError("\n".join(problems) or "no inputs were named; give image or array files, or a folder of them")
    unique: dict[Path, tuple[Path, Path]] = {}
    for root, file in found:
        unique.setdefault(file.resolve(), (root, file))
    return list(unique.values())


def find_inputs(paths: Sequence[Path], input_rank: int) -> list[InputItem]:
    """List the inputs in files and folders, in the order given, inside a folder in natural order (2.png before 10.png).

    Folders are searched with their sub-folders; hidden files and files of other kinds in them are passed over.
    input_rank: rank of the model input with its batch; says whether an array file holds one row or many (`read_rows`).
    An array file that cannot be opened stays in the list as one item, so that reading it reports it.
    Raises InputError as `find_files` does.
    """
    files = find_files(paths)
    items: list[InputItem] = []
    for name, (root, file) in zip(_names(files), files, strict=True):
        items += _items_of(name, root, file, input_rank)
    return items


def is_picture(item: InputItem, input_rank: int) -> bool:
    """Return whether an input goes through the preprocessing; False for a file that cannot be read."""
    if item.path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        return read_rows(item.path, input_rank).pixels
    except InputError:
        return False


def read_item(
    item: InputItem, preprocess: Preprocess, expected_shape: Shape, dtype: Any, *, input_name: str = "input"
) -> Loaded:
    """Read one input as the model wants it.

    Pictures (image files, and uint8 arrays where the model input has rank 4) go through `preprocess`; all other arrays
    are taken as ready model input and are never preprocessed.
    expected_shape: the model input's shape without batch, None for a symbolic size. dtype: the model input's.
    Raises InputError, naming the input, where it is unreadable, of another shape or kind, or not finite.
    """
    dtype = np.dtype(dtype)
    if item.path.suffix.lower() in IMAGE_SUFFIXES:
        loaded = _preprocessed(open_picture(item.path, item.name), preprocess, item.name)
        kind = "image"
    else:
        rows = read_rows(item.path, len(expected_shape) + 1)
        if item.row is not None and item.row >= len(rows):
            raise InputError(f"{item.name}: the file has {len(rows)} rows now; it was changed during the run")
        kind = "image" if rows.pixels else "array"
        loaded = _pixels(rows.row(item.row), preprocess, item.name) if rows.pixels else _ready(rows.row(item.row))
    _check_shape(item.name, kind, loaded.array.shape, expected_shape, preprocess, input_name)
    remedy = "set dtype in the preprocess file" if kind == "image" else "save it in that type"
    array = _cast(loaded.array, dtype, f"{kind} {item.name}", input_name, remedy)
    return Loaded(array, loaded.shown, loaded.note)


def label_of(item: InputItem, class_names: Sequence[str] | None) -> tuple[int | None, str] | None:
    """Return (class index, class name) of an input's known label, or None where it has none.

    The label is the one in the .npz, otherwise the sub-folder: a class name (any case), or a class index.
    class_names: names by index, or None. A folder that is no class gives None.
    """
    names = list(class_names if class_names is not None else item.classes or ())
    if item.label is not None:
        return item.label, names[item.label] if 0 <= item.label < len(names) else str(item.label)
    if item.folder is None:
        return None
    folded = [name.casefold() for name in names]
    if item.folder.casefold() in folded:
        index = folded.index(item.folder.casefold())
        return index, names[index]
    if item.folder.isdecimal() and (not names or int(item.folder) < len(names)):
        index = int(item.folder)
        return index, names[index] if names else item.folder
    return None


def _walk(folder: Path) -> list[Path]:
    files = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        files += [Path(where, name) for name in names if not _hidden(name) and _supported(Path(name))]
    return sorted(files, key=lambda file: _natural(file.relative_to(folder).as_posix()))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _supported(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES + ARRAY_SUFFIXES


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"(\d+)|(\D+)", text)
    keys = [(0, int(digits), digits) if digits else (1, 0, other.casefold()) for digits, other in parts]
    return [*keys, (2, 0, text)]


def _path_problem(path: Path, files: Iterable[Path]) -> list[str]:
    kinds = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES + ARRAY_SUFFIXES)
    if not path.exists():
        return [f"input '{path}' does not exist"]
    if path.is_file():
        return [] if _supported(path) else [f"input '{path}' is of a kind that is not read; give one of {kinds}"]
    return [] if files else [f"folder '{path}' holds no inputs; it is searched, with its sub-folders, for {kinds}"]


def _names(found: Sequence[tuple[Path, Path]]) -> list[str]:
    """Name each file by its path in its folder; with the folder's name, then in full, where that is taken."""
    spellings = (
        lambda root, file: file.relative_to(root).as_posix(),
        lambda root, file: f"{root.resolve().name}/{file.relative_to(root).as_posix()}",
        lambda root, file: file.as_posix(),
    )
    names = [""] * len(found)
    for spell in spellings:
        taken = Counter(names)
        names = [spell(*pair) if taken[name] > 1 or not name else name for name, pair in zip(names, found, strict=True)]
    return names


def _items_of(name: str, root: Path, file: Path, input_rank: int) -> list[InputItem]:
    folder = file.parent.name if file.parent != root else None
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return [InputItem(name, file, folder=folder)]
    try:
        rows = read_rows(file, input_rank)
    except InputError:
        return [InputItem(name, file, folder=folder)]
    labels = rows.labels or (None,) * len(rows)
    if rows.single:
        return [InputItem(name, file, None, folder, labels[0], rows.classes)]
    return [InputItem(f"{name}[{row}]", file, row, folder, label, rows.classes) for row, label in enumerate(labels)]


def _preprocessed(image: Image.Image, preprocess: Preprocess, name: str) -> Loaded:
    try:
        return Loaded(*preprocess.apply(image))
    except InputError as error:
        raise InputError(f"image {name}: {error}") from error


def _pixels(pixels: NDArray[Any], preprocess: Preprocess, name: str) -> Loaded:
    grey = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    return _preprocessed(Image.fromarray(np.ascontiguousarray(grey)), preprocess, name)


def _ready(array: NDArray[Any]) -> Loaded:
    shown = _stretched(array)
    note = "shown stretched from its smallest to its largest value" if shown is not None else ""
    return Loaded(array, shown, note)


def _stretched(array: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Show (C, H, W) or (H, W, C) with C of 1 or 3 as a picture; None for anything else or what is not finite."""
    if array.ndim != 3 or min(array.shape) == 0 or not np.isfinite(array).all():
        return None
    if array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, -1)
    elif array.shape[-1] not in (1, 3):
        return None
    values = array.astype(np.float64)
    span = values.max() - values.min()
    grey = (values - values.min()) / (span if span > 0 else 1.0)
    return np.broadcast_to(np.rint(grey * 255), (*grey.shape[:2], 3)).astype(np.uint8)


def _check_shape(
    name: str, kind: str, shape: Sequence[int], expected: Shape, preprocess: Preprocess, input_name: str
) -> None:
    fits = len(shape) == len(expected) and all(want in (None, got) for got, want in zip(shape, expected, strict=True))
    if fits:
        return
    got, want = _spell(shape), _spell(expected)
    if kind == "array":
        raise InputError(f"array {name} is {got}, model input '{input_name}' wants {want}; save it in that shape")
    hint = _shape_hint(shape, expected, preprocess)
    raise InputError(f"image {name} is {got} after preprocessing, model input '{input_name}' wants {want}; {hint}")


def _shape_hint(shape: Sequence[int], expected: Shape, preprocess: Preprocess) -> str:
    if len(expected) != 3:
        return "it does not take pictures: give arrays of that shape (npy, npz)"
    other = (shape[2], *shape[:2]) if preprocess.layout == "NHWC" else (*shape[1:], shape[0])
    axis = 2 if preprocess.layout == "NHWC" else 0
    if all(want in (None, got) for got, want in zip(other, expected, strict=True)):
        return f'set layout = "{"NCHW" if preprocess.layout == "NHWC" else "NHWC"}" in the preprocess file'
    if expected[axis] not in (None, shape[axis]):
        return f"set color in the preprocess file (L gives 1 channel, RGB and BGR give 3; now {preprocess.color})"
    return "set resize/crop in the preprocess file"


def _spell(shape: Shape) -> str:
    return "×".join("any" if size is None else str(size) for size in shape) or "a single number"


def _cast(array: NDArray[Any], dtype: np.dtype[Any], what: str, input_name: str, remedy: str) -> NDArray[Any]:
    finite = np.isfinite(array)
    if not finite.all():
        bad = f"{array.size - int(finite.sum())} of {array.size} values"
        raise InputError(f"{what} has {bad} that are NaN or infinite; whatever is computed from it would be too")
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputError(f"{what} is {array.dtype}, model input '{input_name}' wants {dtype}; {remedy}")
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(array, dtype=dtype)
    lost = not np.array_equal(cast, array) if dtype.kind in "iub" else not np.isfinite(cast).all()
    if lost:
        span = f"values from {array.min()} to {array.max()}"
        raise InputError(f"{what} holds {span}, more than the {dtype} of model input '{input_name}' can hold")
    return cast
