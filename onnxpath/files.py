"""Files that are either whole or not there."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxpath.errors import JobError

if TYPE_CHECKING:
    import numpy as np


MOST_BYTES, MOST_ENTRIES = 1 << 31, 1 << 15
"""Larger archives are numpy's: they need the wider fields of a zip file."""

UTF8, DATE = 0x800, 33
"""Of every entry of an archive: names are UTF-8, and the date is 1 January 1980, as numpy has it."""

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
    """Write arrays as a compressed .npz in one step; the same arrays are always the same bytes. Raises JobError."""
    write_bytes(path, npz_bytes(arrays))


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """Return the bytes of an .npz.

    Deflate by runs alone: on maps and masks, noise for the most part, it is 3 times as fast as numpy's and as small.
    """
    import numpy as np

    entries, directory, place = [], [], 0
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
        data, file = buffer.getvalue(), f"{name}.npy".encode()
        if place + len(data) > MOST_BYTES:
            return _large(arrays)
        pack = zlib.compressobj(1, zlib.DEFLATED, -15, 8, zlib.Z_RLE)
        packed = pack.compress(data) + pack.flush()
        facts = struct.pack("<HHHHHIIIHH", 20, UTF8, 8, 0, DATE, zlib.crc32(data), len(packed), len(data), len(file), 0)
        entries.append(b"PK\3\4" + facts + file + packed)
        directory.append(b"PK\1\2" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, place) + file)
        place += len(entries[-1])
    if len(entries) > MOST_ENTRIES:
        return _large(arrays)
    size = sum(map(len, directory))
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), size, place, 0)
    return b"".join([*entries, *directory, b"PK\5\6", end])


def _large(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def unwritable(path: Path, error: OSError) -> JobError:
    """Return the error of a place that results cannot go to."""
    reason = error.strerror or str(error)
    return JobError(f"'{path}' cannot be written: {reason}; results are kept there, so choose another place with -o")


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: names of files may hold any bytes, and those are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
