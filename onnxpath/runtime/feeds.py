"""What is fed to a model: what its inputs are, and whether values fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.graph.ir import Variable, numpy_dtype, onnx_dtype
from onnxpath.runtime.session import Array
from onnxpath.shown import plural


@dataclass(frozen=True)
class TensorInfo:
    """Name, numpy dtype name and shape (None or a symbol where a size is open) of an input or output."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


def info_of(tensor: Variable) -> TensorInfo:
    """Return what users are told of an input or output."""
    dtype = np.dtype(numpy_dtype(tensor)).name if onnx_dtype(tensor) else "unknown"
    return TensorInfo(tensor.name, dtype, tuple(tensor.shape) if tensor.shape is not None else ())


def rows_of(feeds: Mapping[str, Array]) -> int:
    """Return the number of rows of a set of inputs."""
    return max((len(v) for v in feeds.values() if v.ndim), default=1)


def of_rows(feeds: Mapping[str, Array], rows: slice | Sequence[int] | Array) -> dict[str, Array]:
    """Return the inputs of some rows; a scalar has none, and is the same for all."""
    return {name: value[rows] if value.ndim else value for name, value in feeds.items()}


def checked_feeds(inputs: Sequence[Variable], x: Any) -> dict[str, Array]:
    """Return inputs by name, checked as `Model.feeds` says."""
    infos = [info_of(tensor) for tensor in inputs]
    given = _by_name(infos, x)
    problems = []
    feeds = {}
    for tensor, info in zip(inputs, infos, strict=True):
        value, wrong = _as_array(info, given[info.name])
        if wrong is None and (wrong := _misfit(info, value)) is None:
            dtype = numpy_dtype(tensor) if tensor.dtype is not None else None
            with np.errstate(over="ignore"):
                feeds[info.name] = np.asarray(value, dtype, order="C")
            wrong = _not_held(info, value, feeds[info.name])
        if wrong is not None:
            problems.append(wrong)
    rows = {name: len(value) for name, value in feeds.items() if value.ndim}
    if len(set(rows.values())) > 1:
        problems.append(f"the inputs have different numbers of rows: {rows}")
    if problems:
        raise InputError("\n".join(problems))
    return feeds


def _by_name(inputs: Sequence[TensorInfo], x: Any) -> dict[str, Any]:
    names = [i.name for i in inputs]
    if isinstance(x, Mapping):
        given = dict(x)
    elif isinstance(x, (list, tuple)) and len(inputs) > 1:
        if len(x) > len(inputs):
            raise InputError(f"the model has {len(inputs)} inputs, and {len(x)} values were given")
        given = dict(zip(names, x, strict=False))
    else:
        given = {names[0]: x}
    if wrong := [name for name in given if name not in names]:
        raise unknown("input", wrong, names)
    if missing := [name for name in names if name not in given]:
        raise InputError(
            f"the model has {len(names)} {plural('input', len(names))} and no value was given for {', '.join(missing)}"
        )
    return given


def _as_array(info: TensorInfo, value: Any) -> tuple[Array, str | None]:
    try:
        return np.asarray(value), None
    except ValueError:
        return np.empty(0), f"input '{info.name}' is not an array: its rows or columns differ in length"


def _not_held(info: TensorInfo, given: Array, value: Array) -> str | None:
    """Return what is wrong with a value in the input's dtype."""
    if value.dtype.kind in "iub":
        lost = given[given != value]
        return f"input '{info.name}' is {value.dtype}, which cannot hold {lost.flat[0]}" if lost.size else None
    if value.dtype.kind != "f" or np.isfinite(value).all():
        return None
    bad = int(np.argwhere(~np.isfinite(value))[0][0]) if value.ndim else 0
    return f"input '{info.name}' holds NaN or Inf as {value.dtype}, first in row {bad}"


def _misfit(info: TensorInfo, value: Array) -> str | None:
    if value.dtype.kind in "US" and not value.ndim:
        return f"input '{info.name}' wants an array, and '{value}' was given; onnxpath.report and the verbs read files"
    wanted = "×".join("N" if d is None or isinstance(d, str) else str(d) for d in info.shape)
    given = "×".join(map(str, value.shape))
    sizes = zip(info.shape[1:], value.shape[1:], strict=False)
    if len(info.shape) != value.ndim or any(isinstance(d, int) and d != n for d, n in sizes):
        hint = "; a single row needs a leading axis" if value.ndim == len(info.shape) - 1 else ""
        return f"input '{info.name}' wants {wanted}, and {given or 'a scalar'} was given{hint}"
    kind = "f" if value.dtype == ml_dtypes.bfloat16 else value.dtype.kind
    if kind not in "fiub" or (kind == "f" and np.dtype(info.dtype).kind in "iub"):
        return f"input '{info.name}' wants {info.dtype}, and {value.dtype} was given"
    if value.ndim and not len(value):
        return f"input '{info.name}' has no rows"
    return None
