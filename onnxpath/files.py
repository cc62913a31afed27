"""Files that are either whole or not there."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from onnxpath.errors import JobError

if TYPE_CHECKING:
    import numpy as np


SAMPLE = 256
"""Values that tell whether the floats of an array repeat."""

NAMES_ARE_UTF8, FIRST_DAY, ZIP64, FAR, STORED, DEFLATED = 0x800, 0x21, 45, 0xFFFFFFFF, 0, 8
"""Words of a zip archive: FAR stands for a size or place that is in the entry's field of 64 bits."""

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
    """Return the bytes of an .npz, which depend on the arrays alone: all entries are of 1 January 1980.

    A zip64 archive (PKWARE's APPNOTE 6.3, section 4.3), put together here: zipfile takes as long for the entries of an
    input as for what is in them, and packs all of them in the same way.
    """
    if not arrays:
        return b"PK\5\6" + bytes(18)
    parts: list[bytes] = []
    index: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        title, (plain, data, method) = f"{name}.npy".encode(), _packed(array)
        facts = struct.pack("<4H3I", NAMES_ARE_UTF8, method, 0, FIRST_DAY, zlib.crc32(plain), FAR, FAR)
        sizes = struct.pack("<2Q", len(plain), len(data))
        entry = [struct.pack("<4sH20s2H", b"PK\3\4", ZIP64, facts, len(title), 20), title, b"\1\0\x10\0", sizes, data]
        index.append(struct.pack("<4s2H20s5H2I", b"PK\1\2", ZIP64, ZIP64, facts, len(title), 28, 0, 0, 0, 0, FAR))
        index += [title, b"\1\0\x18\0", sizes, struct.pack("<Q", at)]
        parts += entry
        at += sum(map(len, entry))
    size, count = sum(map(len, index)), len(arrays)
    index.append(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, ZIP64, ZIP64, 0, 0, count, count, size, at))
    index.append(struct.pack("<4sIQI", b"PK\6\7", 0, at + size, 1))
    index.append(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, FAR, FAR, 0))
    return b"".join(parts + index)


def _packed(array: np.ndarray[Any, Any]) -> tuple[bytes, bytes, int]:
    """Return an array as .npy, what an archive holds of it, and the archive's number for how that is packed."""
    import numpy as np

    held, buffer = np.asanyarray(array), io.BytesIO()
    np.lib.format.write_array(buffer, held, allow_pickle=False)
    plain = buffer.getvalue()
    if not _shrinks(held):
        return plain, plain, STORED
    # Bytes that are no text are the bits of masks as a rule: noise, in which a search for repeats finds none.
    bits = held.dtype == np.uint8 and held.size > 0 and held.max() > 127
    packer = zlib.compressobj(1, wbits=-15, strategy=zlib.Z_RLE if bits else zlib.Z_DEFAULT_STRATEGY)
    return plain, packer.compress(plain) + packer.flush(), DEFLATED


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
