"""Arrays in .npy and .npz files as rows of input: which array, one row or many, pixels or ready model input."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.batch.loaded import Wanted
from onnxpath.errors import InputError

# Names under which an .npz holds the inputs, when it holds more than one array beside labels and classes.
VALUE_KEYS = ("images", "x")
SIDE_KEYS = ("labels", "classes")
TOKENS = "tokens"

# Threads that want the same file wait for the first of them to read it.
_ONE_READER = threading.Lock()


@dataclass(frozen=True)
class Rows:
    """The inputs of one file.

    values: (N, ...), or one row without N where `single`.
    pixels: uint8 pictures (H, W) or (H, W, C) per row, still to be preprocessed; otherwise ready model input.
    labels: class index per row, or None. classes: class names by index, or None.
    """

    values: NDArray[Any]
    single: bool
    pixels: bool
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return 1 if self.single else len(self.values)

    def row(self, index: int | None) -> NDArray[Any]:
        """Return one row; None stands for the only one."""
        return self.values if self.single else self.values[index or 0]


def read_rows(path: Path, input_rank: int) -> Rows:
    """Open a .npy or .npz file as rows of input for a model input of rank `input_rank` (batch included).

    uint8 arrays for an input of rank 4 are pictures: (H, W), (H, W, C) or N of them; C is 1, 3 or 4. All other arrays
    are ready model input: of rank `input_rank` they hold N rows, of one less they are one row.
    An .npz holds its inputs under `images` or `x`, or is a lone array; `labels` (N integers) and `classes` (names) are
    optional.
    Raises InputError where the file is damaged, or holds no such array. The last file read is kept in memory.
    """
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"array file {path.name} cannot be read: {error.strerror or error}") from error
    with _ONE_READER:
        return _read_rows(path, stamp, input_rank)


@lru_cache(maxsize=1)
def _read_rows(path: Path, stamp: int, input_rank: int) -> Rows:
    del stamp  # only there so that a changed file is read again
    try:
        arrays = load_arrays(path)
    except DAMAGED as error:
        raise InputError(f"array file {path.name} cannot be read: {error or type(error).__name__}") from error
    values = _pick_values(arrays, path.name)
    pixels = values.dtype == np.uint8 and input_rank == 4
    single = _single_picture(values, path.name) if pixels else _single_row(values, input_rank, path.name)
    count = 1 if single else len(values)
    if count == 0:
        raise InputError(f"array file {path.name} holds an array of no rows, shape {values.shape}")
    return Rows(values, single, pixels, _labels(arrays, count, path.name), _classes(arrays, path.name))


@dataclass(frozen=True)
class NamedRows:
    """The inputs of one .npz that names them as the model does.

    arrays: by input, (N, ...) or one row where `single`. tokens: texts of the token ids, of the same shape, or None.
    """

    arrays: dict[str, NDArray[Any]]
    tokens: NDArray[Any] | None
    single: bool
    labels: tuple[int, ...] | None
    classes: tuple[str, ...] | None

    def __len__(self) -> int:
        return 1 if self.single else len(next(iter(self.arrays.values())))

    def row(self, index: int | None) -> tuple[dict[str, NDArray[Any]], list[str] | None]:
        """Return one row by input name, and its tokens; None stands for the only one."""
        picked = {name: a if self.single else a[index or 0] for name, a in self.arrays.items()}
        tokens = None if self.tokens is None else self.tokens if self.single else self.tokens[index or 0]
        return picked, None if tokens is None else [str(token) for token in tokens]


def read_named(path: Path, wanted: Wanted) -> NamedRows | None:
    """Open an .npz that holds the model's inputs under their names; None where it holds none of them by name.

    Beside them, `tokens` (texts), `labels` (N integers) and `classes` (names) are optional. Raises InputError where the
    file is damaged, an input is missing, or numbers of rows differ. The last file read is kept in memory.
    """
    if path.suffix.lower() != ".npz" or wanted.ids is None:
        return None
    try:
        with _ONE_READER:
            return _read_named(path, path.stat().st_mtime_ns, wanted)
    except DAMAGED as error:
        raise InputError(f"array file {path.name} cannot be read: {error or type(error).__name__}") from error


@lru_cache(maxsize=1)
def _read_named(path: Path, stamp: int, wanted: Wanted) -> NamedRows | None:
    del stamp  # only there so that a changed file is read again
    loaded = load_arrays(path)
    arrays = {info.name: loaded[info.name] for info in wanted.infos if info.name in loaded}
    if not arrays:
        return None
    if missing := [info.name for info in wanted.infos if info.name not in loaded]:
        raise InputError(f"array file {path.name} holds {', '.join(loaded)}; the model takes {', '.join(missing)} too")
    tokens = loaded.get(TOKENS)
    single = next(iter(arrays.values())).ndim == len(wanted.infos[0].shape) - 1
    counts = {name: len(a) for name, a in [*arrays.items(), *([(TOKENS, tokens)] if tokens is not None else [])]}
    if not single and len(set(counts.values())) > 1:
        raise InputError(f"array file {path.name}: numbers of rows differ: {counts}")
    count = 1 if single else next(iter(counts.values()))
    return NamedRows(arrays, tokens, single, _labels(loaded, count, path.name), _classes(loaded, path.name))


def _pick_values(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    others = [key for key in arrays if key not in SIDE_KEYS]
    key = next((key for key in VALUE_KEYS if key in arrays), others[0] if len(others) == 1 else None)
    if key is None:
        held = ", ".join(f"'{key}'" for key in arrays) or "nothing"
        raise InputError(f"array file {name} holds {held}; name the inputs 'images' or 'x'")
    values = arrays[key]
    if values.dtype.kind not in "biuf":
        raise InputError(f"array file {name}: array '{key}' is {values.dtype}; a model input is made of numbers")
    return values


def _single_picture(values: NDArray[Any], name: str) -> bool:
    colour = values.ndim >= 3 and values.shape[-1] in (1, 3, 4)
    if values.ndim == 2 or (values.ndim == 3 and colour):
        return True
    if values.ndim == 3 or (values.ndim == 4 and colour):
        return False
    raise InputError(
        f"array file {name} holds uint8 of shape {values.shape}; pictures are (H, W), (H, W, C) or N of them, "
        "C being 1, 3 or 4; an array that is ready for the model is saved in the dtype of a float"
    )


def _single_row(values: NDArray[Any], input_rank: int, name: str) -> bool:
    if values.ndim not in (input_rank - 1, input_rank):
        raise InputError(
            f"array file {name} holds an array of rank {values.ndim}, shape {values.shape}; the model input has rank "
            f"{input_rank}, so save one row of rank {input_rank - 1} or N rows of rank {input_rank}"
        )
    return values.ndim == input_rank - 1


def _labels(arrays: dict[str, NDArray[Any]], count: int, name: str) -> tuple[int, ...] | None:
    if "labels" not in arrays:
        return None
    labels = np.atleast_1d(arrays["labels"])
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"array file {name}: 'labels' is {labels.dtype} of shape {labels.shape}; "
            f"it must hold {count} whole numbers, one class index per row"
        )
    return tuple(int(label) for label in labels)


def _classes(arrays: dict[str, NDArray[Any]], name: str) -> tuple[str, ...] | None:
    if "classes" not in arrays:
        return None
    classes = arrays["classes"]
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise InputError(f"array file {name}: 'classes' is {classes.dtype} of rank {classes.ndim}; it must list names")
    return tuple(str(item) for item in classes)
