"""The inputs of a run: what the files hold, and reading one of them as the model wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.batch.arrays import read_named, read_rows
from onnxpath.batch.found import ARRAY_SUFFIXES, IMAGE_SUFFIXES, TABLE_SUFFIXES, find_files, names_of
from onnxpath.batch.loaded import (
    InputItem,
    Loaded,
    Shape,
    Wanted,
    as_label,
    cast,
    fits,
    is_index,
    row_shape,
    spell,
)
from onnxpath.batch.manifest import is_manifest, read_manifest
from onnxpath.batch.parquet import holds_pictures, open_parquet, read_encoded, read_features
from onnxpath.batch.picture import open_picture
from onnxpath.batch.preprocess import DTYPES, Preprocess
from onnxpath.batch.rowgroups import PARQUET
from onnxpath.batch.tables import open_table, read_row
from onnxpath.batch.text import TEXT_SUFFIXES, count_texts, from_arrays, parts_of, read_text
from onnxpath.errors import InputError
from onnxpath.files import printable

__all__ = [
    "IMAGE_SUFFIXES",
    "InputItem",
    "Loaded",
    "find_files",
    "find_inputs",
    "is_picture",
    "label_of",
    "read_input",
    "read_item",
]


def find_inputs(paths: Sequence[Path], input_rank: int, wanted: Wanted | None = None) -> list[InputItem]:
    """List the inputs in files and folders, in the order given, inside a folder in natural order (2.png before 10.png).

    Folders are searched with their sub-folders; hidden files and files of other kinds in them are passed over.
    input_rank: rank of the model input with its batch; says whether an array file holds one row or many (`read_rows`).
    wanted: what the model takes; with it, tables and texts are read too where they can be its inputs.
    A file that cannot be opened stays in the list as one item, so that reading it reports it.
    Raises InputError as `find_files` does.
    """
    files = find_files(paths, _kinds(wanted))
    manifests = [path for path in map(Path, paths) if path.is_file() and is_manifest(path)]
    entries = {entry.path.resolve(): entry for path in manifests for entry in read_manifest(path)}
    items: list[InputItem] = []
    for name, (root, file) in zip(names_of(files), files, strict=True):
        found = _items_of(name, root, file, input_rank, wanted)
        entry = entries.get(file.resolve()) if entries else None
        items += found if entry is None else map(entry.noted, found)
    return items


def _kinds(wanted: Wanted | None) -> tuple[str, ...]:
    """Suffixes that are looked for in a folder: lists of classes and notes lie beside pictures."""
    always = IMAGE_SUFFIXES + ARRAY_SUFFIXES
    if wanted is None:
        return always
    if wanted.ids is not None:
        return always + TEXT_SUFFIXES
    return always + TABLE_SUFFIXES * (wanted.rank == 2) + (PARQUET,)


def is_picture(item: InputItem, input_rank: int) -> bool:
    """Return whether an input goes through the preprocessing; False for a file that cannot be read."""
    try:
        return is_encoded(item) or read_rows(item.path, input_rank).pixels
    except InputError:
        return False


def is_encoded(item: InputItem) -> bool:
    """Return whether an input is a picture that is still to be decoded: an image file, or its bytes in a .parquet."""
    suffix = item.path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or (suffix == PARQUET and holds_pictures(item.path))


def open_item(item: InputItem) -> Image.Image:
    """Decode a picture that `is_encoded`, as `open_picture` does."""
    if item.path.suffix.lower() == PARQUET:
        return open_picture(read_encoded(item.path, item.row or 0)[0], item.name)
    return open_picture(item.path, item.name)


def read_input(item: InputItem, preprocess: Preprocess, wanted: Wanted) -> tuple[InputItem, Loaded] | None:
    """Read one row of a table, one text or one row of named arrays, and the item with its label.

    None for an item that `read_item` reads: a picture, or an array for a model of one input. Raises InputError.
    """
    suffix, row = item.path.suffix.lower(), item.row or 0
    if suffix in TABLE_SUFFIXES:
        loaded, label = read_row(item.path, row, wanted.main)
        return _labelled(item, label), loaded
    if suffix == PARQUET:
        if not holds_pictures(item.path):
            features, label_of_row = read_features(item.path, row, wanted.main)
            return _labelled(item, label_of_row), features
        picture = read_item(item, preprocess, row_shape(wanted.main), wanted.main.dtype, input_name=wanted.main.name)
        return _labelled(item, read_encoded(item.path, row)[1]), picture
    if suffix in TEXT_SUFFIXES:
        if wanted.ids is None:
            raise InputError(f"{item.name}: texts are for models of token ids, and this one takes none")
        text, label_of_text = read_text(item.path, row, wanted, preprocess.tokenizer)
        return _labelled(item, label_of_text), text
    if wanted.ids is None:
        return None
    named = read_named(item.path, wanted) if suffix == ".npz" else None
    if named is not None:
        return item, from_arrays(*named.row(item.row), wanted, item.name)
    if len(wanted.infos) > 1:
        names = ", ".join(info.name for info in wanted.infos)
        raise InputError(f"{item.name}: the model has {len(wanted.infos)} inputs; give arrays named {names} in an .npz")
    loaded = read_item(item, preprocess, row_shape(wanted.main), wanted.main.dtype, input_name=wanted.main.name)
    return item, replace(loaded, parts=parts_of(loaded.array))


def _labelled(item: InputItem, label: str | int | None) -> InputItem:
    """Return an item with the class that its record says."""
    return item if label is None else replace(item, label=as_label(str(label)))


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
    if is_encoded(item):
        loaded = _preprocessed(open_item(item), preprocess, item.name)
        kind = "image"
    else:
        rows = read_rows(item.path, len(expected_shape) + 1)
        if item.row is not None and item.row >= len(rows):
            raise InputError(f"{item.name}: the file has {len(rows)} rows now; it was changed during the run")
        kind = "image" if rows.pixels else "array"
        loaded = _pixels(rows.row(item.row), preprocess, item.name) if rows.pixels else _ready(rows.row(item.row))
    _check_shape(item.name, kind, loaded.array.shape, expected_shape, preprocess, input_name)
    remedy = "save it in that type"
    if kind == "image":
        made = dtype.name in DTYPES
        remedy = f'set dtype = "{dtype}" in the preprocess file' if made else "give it as an array of that type"
    array = cast(loaded.array, dtype, f"{kind} {item.name}", input_name, remedy)
    return Loaded(array, loaded.shown, loaded.note)


def label_of(item: InputItem, class_names: Sequence[str] | None) -> tuple[int | None, str] | None:
    """Return (class index, class name) of an input's known label, or None where it has none.

    The label is what the .npz or the record says, otherwise the sub-folder: a class name (any case), or a class index.
    class_names: names by index, or None. A name in a record that is no class has no index; a folder that is none gives
    None.
    """
    names = tuple(class_names if class_names is not None else item.classes or ())
    if isinstance(item.label, int):
        return item.label, names[item.label] if 0 <= item.label < len(names) else str(item.label)
    name = item.folder if item.label is None else item.label
    if name is None:
        return None
    if (index := _places(names).get(name.casefold())) is not None:
        return index, names[index]
    if item.label is not None:
        return None, name
    if is_index(name) and (not names or int(name) < len(names)):
        return int(name), names[int(name)] if names else name
    return None


@lru_cache(maxsize=4)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    """Return name in lower case -> index, of equal ones the first: asked for with every input of a run."""
    return {name.casefold(): index for index, name in reversed(list(enumerate(names)))}


def _items_of(name: str, root: Path, file: Path, input_rank: int, wanted: Wanted | None) -> list[InputItem]:
    folder = printable(file.parent.name) if file.parent != root else None
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return [InputItem(name, file, folder=folder)]
    try:
        if wanted is not None and file.suffix.lower() == PARQUET:
            groups = open_parquet(file, wanted.main)
            return [
                InputItem(f"{name}[{row}]", file, row, folder, classes=groups.classes) for row in range(len(groups))
            ]
        if (count := _records_of(file, wanted)) is not None:
            return [InputItem(f"{name}[{row}]", file, row, folder) for row in range(count)]
        named = read_named(file, wanted) if wanted is not None else None
        rows = named or read_rows(file, input_rank)
    except InputError:
        return [InputItem(name, file, folder=folder)]
    labels = rows.labels or (None,) * len(rows)
    if rows.single:
        return [InputItem(name, file, None, folder, labels[0], rows.classes)]
    return [InputItem(f"{name}[{row}]", file, row, folder, label, rows.classes) for row, label in enumerate(labels)]


def _records_of(file: Path, wanted: Wanted | None) -> int | None:
    """Return how many inputs a table or a file of texts holds, None for a file of another kind."""
    suffix = file.suffix.lower()
    if wanted is not None and suffix in TABLE_SUFFIXES:
        return len(open_table(file, wanted.main))
    return count_texts(file) if suffix in TEXT_SUFFIXES else None


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
    if fits(shape, expected):
        return
    got, want = spell(shape), spell(expected)
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
