"""Targets as users give them: indices, per-row lists, tuples, or a cotangent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.backward.target import COTANGENT, TARGET, Readout
from onnxpath.errors import InputError, ModelError
from onnxpath.graph.ir import numpy_dtype
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Target:
    """What is explained in each row.

    readout: the tensor; kind: "target" (an entry of it) | "cotangent" (any other scalar: the sum of cotangent times
    tensor); values: int64 [N] indices into the flattened row, -1 for the largest entry, or the cotangent itself.
    """

    readout: Readout
    kind: str
    values: Array

    def feed(self, rows: slice, count: int | None = None) -> dict[str, Array]:
        """Return the program input for some rows, repeated at the end up to `count`."""
        values = self.values[rows]
        if count is not None and len(values) < count:
            values = np.concatenate([values, np.repeat(values[-1:], count - len(values), 0)])
        return {self.kind: values}

    def answers(self, logits: Array, rows: int) -> Array:
        """Return what a run on so many rows gave; InputError where it gave another number of rows."""
        if logits.shape[:1] != (rows,):
            raise InputError(
                f"'{self.readout.name}' is {logits.shape} for {rows} rows of input: its first axis, or the input's, "
                "does not count rows; put a Transpose into the model, so that rows come first in both"
            )
        return logits

    def chosen(self, logits: Array) -> Array:
        """Return the explained entry of each row as int64 [N], -1 under a cotangent; logits: [N, ...] for all rows."""
        flat = self.answers(logits, len(self.values)).reshape(len(logits), -1)
        if self.kind == COTANGENT:
            return np.full(len(logits), -1)
        largest, last = int(self.values.max(initial=-1)), flat.shape[1] - 1
        if largest > last:
            raise InputError(f"target {largest} is out of range: a row of the output has entries 0 to {last}")
        return np.where(self.values < 0, flat.argmax(1), self.values)

    def score(self, logits: Array) -> Array:
        """Return the explained scalar of each row, float64 [N]."""
        flat = logits.reshape(len(logits), -1).astype(np.float64)
        if self.kind == COTANGENT:
            return np.asarray((flat * self.values.reshape(flat.shape)).sum(1))
        return flat[np.arange(len(flat)), self.chosen(logits)]

    def fixed(self, logits: Array) -> Target:
        """Return the same target with -1 replaced by the class that these logits predict."""
        return self if self.kind == COTANGENT else Target(self.readout, TARGET, self.chosen(logits))


def resolve_target(model: Model, target: Any, rows: int, output: str | None = None) -> Target:
    """Turn what a user gives into a Target.

    target: None (the largest entry of each row), an index, one index per row, a tuple into an output of higher rank,
    one tuple per row, or a float array of the output's shape (a cotangent). output: name, default the first float one.
    Raises InputError: out of range, wrong number of rows, wrong shape; ModelError: an output without rows.
    """
    place = model.readout(output)
    sizes = model.graph.tensor(place.name).shape
    if sizes == []:
        raise ModelError(
            f"output '{place.name}' is one number for all rows, so no row has one to explain; name another tensor"
        )
    shape = [d if isinstance(d, int) else None for d in sizes or []][1:]
    if target is None:
        return Target(place, TARGET, np.full(rows, -1, np.int64))
    if isinstance(target, np.ndarray) and target.dtype.kind == "f":
        if target.ndim != len(shape) + 1 or len(target) != rows or not _fits(target.shape[1:], shape):
            wanted = "×".join("any" if d is None else str(d) for d in (rows, *shape))
            raise InputError(
                f"a cotangent needs the shape of '{place.name}', {wanted}, and floats of shape {target.shape} were "
                "given; targets are whole numbers"
            )
        if not np.isfinite(target).all():
            raise InputError("the cotangent holds NaN or Inf, and so would the gradient")
        return Target(place, COTANGENT, target.astype(numpy_dtype(model.graph.tensor(place.name))))
    indices = _indices(target, rows, shape, place.name)
    size = int(np.prod(shape)) if all(d is not None for d in shape) else None  # type: ignore[arg-type]
    wrong = [int(i) for i in indices if i < 0 or (size is not None and i >= size)]
    if wrong:
        last = "what its row holds" if size is None else str(size - 1)
        raise InputError(f"target {wrong[0]} is out of range: '{place.name}' has entries 0 to {last} in a row")
    return Target(place, TARGET, indices)


def _fits(given: tuple[int, ...], shape: list[int | None]) -> bool:
    return all(d is None or d == n for d, n in zip(shape, given, strict=True))


def _indices(target: Any, rows: int, shape: list[int | None], name: str) -> Array:
    tuples = [target] * rows if isinstance(target, tuple) else target
    if isinstance(tuples, list) and tuples and isinstance(tuples[0], tuple):
        if None in shape:
            raise InputError(f"a tuple needs known sizes, '{name}' has {shape}; give indices into the flattened row")
        if len(tuples) != rows or any(not isinstance(t, tuple) or len(t) != len(shape) for t in tuples):
            raise InputError(f"'{name}' needs {rows} tuples of {len(shape)} indices each")
        try:
            return np.asarray([np.ravel_multi_index(t, tuple(d or 0 for d in shape)) for t in tuples], np.int64)
        except ValueError as error:
            raise InputError(f"a target is out of range: '{name}' has sizes {shape} behind the rows") from error
    array = np.asarray(target)
    if array.dtype.kind not in "iu":
        raise InputError(f"a target is an index or one index per row, not {target!r}")
    if array.ndim == 0:
        return np.full(rows, int(array), np.int64)
    if array.shape != (rows,):
        raise InputError(f"{rows} rows need one target each; {array.shape} was given")
    return array.astype(np.int64)
