"""What an input of a run is, what a model wants to be fed with, and one input ready for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.errors import InputError
from onnxpath.runtime.feeds import TensorInfo

Shape = Sequence[int | None]

TOKENS, FEATURES = "tokens", "features"


@dataclass(frozen=True, slots=True)  # a run may have a million
class InputItem:
    """One input of a run: an image file, one row of an array file or table, or one text.

    name: unique in the run ("cats/7.png", "test.npz[12]"). row: index in a file of several rows, otherwise None.
    folder: name of the sub-folder that a file lay in, which often is its class. label: the class that an .npz or a
    record says, by index or name, or None. classes: from an .npz. target: entry to explain, where a manifest says so.
    """

    name: str
    path: Path
    row: int | None = None
    folder: str | None = None
    label: int | str | None = None
    classes: tuple[str, ...] | None = None
    target: int | None = None


@dataclass(frozen=True)
class Parts:
    """The places of an input that have names: tokens of a text, or features of a row.

    kind: TOKENS | FEATURES; names: one for each place of the first axis of `Loaded.array`; values: what stands there,
    one token id or feature value each.
    """

    kind: str
    names: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Loaded:
    """One input, ready for the model.

    array: the model input without batch, of several inputs the one that is explained. shown: uint8 (H, W, 3) of what
    the model saw, or None where it is no picture. note: how `shown` or the tokens were made, where that is not plain;
    otherwise "". others: the other inputs by name, without batch. parts: names of tokens or features, or None.
    """

    array: NDArray[Any]
    shown: NDArray[np.uint8] | None
    note: str = ""
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Parts | None = None


@dataclass(frozen=True)
class Wanted:
    """What a model wants to be fed with. infos: of its inputs; ids: the input that holds token ids, None without."""

    infos: tuple[TensorInfo, ...]
    ids: str | None = None

    @property
    def main(self) -> TensorInfo:
        """The input that `Loaded.array` is fed to."""
        return next((info for info in self.infos if info.name == self.ids), self.infos[0])

    @property
    def rank(self) -> int:
        """Rank of the main input with its batch."""
        return len(self.main.shape)


def row_shape(info: TensorInfo) -> list[int | None]:
    """Return an input's shape without batch, None for a symbolic size."""
    return [d if isinstance(d, int) else None for d in info.shape[1:]]


def spell(shape: Shape) -> str:
    """Return a shape in words."""
    return "×".join("any" if size is None else str(size) for size in shape) or "a single number"


def fits(shape: Sequence[int], expected: Shape) -> bool:
    """Return whether a shape is one that is expected; None stands for any size."""
    return len(shape) == len(expected) and all(want in (None, got) for got, want in zip(shape, expected, strict=True))


def cast(array: NDArray[Any], dtype: np.dtype[Any], what: str, input_name: str, remedy: str) -> NDArray[Any]:
    """Return an array in the model's dtype; InputError where it holds what that cannot, or NaN or Inf."""
    finite = np.isfinite(array)
    if not finite.all():
        bad = f"{array.size - int(finite.sum())} of {array.size} values"
        raise InputError(f"{what} has {bad} that are NaN or infinite; whatever is computed from it would be too")
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputError(f"{what} is {array.dtype}, model input '{input_name}' wants {dtype}; {remedy}")
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(array, dtype=dtype)
    lost = not np.array_equal(made, array) if dtype.kind in "iub" else not np.isfinite(made).all()
    if lost:
        span = f"values from {array.min()} to {array.max()}"
        raise InputError(f"{what} holds {span}, more than the {dtype} of model input '{input_name}' can hold")
    return made


def is_index(text: str) -> bool:
    """Return whether a text is a whole number that an index can be."""
    return text.isdecimal() and len(text) < 19


def as_label(text: str) -> int | str:
    """Return the class that a record says: an index, or a name."""
    return int(text) if is_index(text) else text
