"""Text files of one record after another, read one record at a time however long the file is."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from onnxpath.errors import InputError


@dataclass(frozen=True, eq=False)
class Records:
    """Where the records of a file are: byte offsets, with the file's end as the last, and lines, counted from 1."""

    path: Path
    offsets: array[int]
    lines: array[int]

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, index: int) -> str:
        """Return a record; InputError where the file was changed, or is not UTF-8 there."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offsets[index])
                data = file.read(self.offsets[index + 1] - self.offsets[index])
            return data.decode("utf-8-sig")
        except OSError as error:
            raise InputError(f"file {self.path.name} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            where = f"file {self.path.name}, line {self.lines[index]}"
            raise InputError(f"{where} is not UTF-8 text: {error.reason}; save it as UTF-8") from error


def records(path: Path, quoted: bool = False) -> Records:
    """Return the records of a file: its lines, without blank ones.

    quoted: a line break between double quotes ends no record, as in CSV. The last files are kept in memory as offsets,
    16 bytes a record. Raises InputError where the file cannot be read.
    """
    try:
        stamp = path.stat()
        return _records(path, (stamp.st_mtime_ns, stamp.st_size), quoted)
    except OSError as error:
        raise InputError(f"file {path.name} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4)
def _records(path: Path, stamp: tuple[int, int], quoted: bool) -> Records:
    del stamp  # only there so that a changed file is read again
    offsets, lines = array("q"), array("q")
    place, inside = 0, False
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not inside and line.strip():
                offsets.append(place)
                lines.append(number)
            inside = inside ^ (quoted and line.count(b'"') % 2 == 1)
            place += len(line)
    offsets.append(place)
    return Records(path, offsets, lines)
