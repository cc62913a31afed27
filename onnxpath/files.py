"""Files that are either whole or not there."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxpath.errors import JobError

if TYPE_CHECKING:
    import numpy as np


PART = ".part"
"""Suffix of a file that is being written; what a killed run leaves of them is rubbish."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step: into a temporary file beside it, which then takes its name. Raises JobError."""
    write_pieces(path, [data])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file as `write_bytes` does, from pieces that are never in memory together. Raises JobError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.writelines(pieces)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def save_npz(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays as a compressed .npz in one step. Raises JobError."""
    import numpy as np

    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    write_bytes(path, buffer.getvalue())


def unwritable(path: Path, error: OSError) -> JobError:
    """Return the error of a place that results cannot go to."""
    reason = error.strerror or str(error)
    return JobError(f"'{path}' cannot be written: {reason}; results are kept there, so choose another place with -o")
