"""Files that are either whole or not there."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from onnxpath.errors import JobError

if TYPE_CHECKING:
    import numpy as np


SAMPLE = 256
"""Values that tell whether the floats of an array repeat."""

PART = ".part"
"""Suffix of a file that is being written; what a killed run leaves of them is rubbish."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step: into a temporary file beside it, which then takes its name. Raises JobError."""
    write_pieces(path, [data])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file as `write_bytes` does, from pieces that are never in memory together. Raises JobError."""
    temporary = os.path.join(path.parent, f".{path.name}.{os.getpid()}{PART}")
    try:
        try:
            with _opened(temporary) as file:
                file.writelines(pieces)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def _opened(path: str) -> BinaryIO:
    """Open a new file, whose folder is made where missing: asked for first, it would cost every file of a run 15 µs."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")


def save_npz(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays as a compressed .npz in one step; the same arrays are always the same bytes. Raises JobError."""
    write_bytes(path, npz_bytes(arrays))


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the bytes of an .npz, which depend on the arrays alone: an entry opened by name is of 1 January 1980."""
    import numpy as np

    buffer = io.BytesIO()
    # Masks are noise for the most part: packed harder, as numpy does, they take longer and as much room.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            held = np.asanyarray(array)
            archive.compression = zipfile.ZIP_DEFLATED if _shrinks(held) else zipfile.ZIP_STORED
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, held, allow_pickle=False)
    return buffer.getvalue()


def _shrinks(array: np.ndarray[Any, Any]) -> bool:
    """Return whether packing pays: floats that hardly repeat lose 7 % by it, and take a third of an archive's time."""
    if array.dtype.kind != "f" or array.size < SAMPLE:
        return True
    sample = array.ravel(order="K")[:: array.size // SAMPLE].tolist()
    return len(set(sample)) < 0.9 * len(sample)


def unwritable(path: Path, error: OSError) -> JobError:
    """Return the error of a place that results cannot go to."""
    reason = error.strerror or str(error)
    return JobError(f"'{path}' cannot be written: {reason}; results are kept there, so choose another place with -o")


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: names of files may hold any bytes, and those are spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
