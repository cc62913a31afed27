"""Parquet files by row: one row group in memory at a time, within the limits, and nothing in it but plain columns."""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from onnxpath.errors import InputError
from onnxpath.files import printable
from onnxpath.limits import limits, variable

PARQUET = ".parquet"
WHOLE, NUMBER, TEXT, BYTES, STRUCT = "whole numbers", "numbers", "text", "bytes", "a struct with bytes"
KINDS = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), WHOLE),
    **dict.fromkeys(("halffloat", "float", "double", "bool"), NUMBER),
    **dict.fromkeys(("string", "large_string", "string_view"), TEXT),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), BYTES),
}
"""Kind of a column by its Arrow type; a column of any other type is called by the name of that."""

INNER = "bytes"
"""The field of a struct that is read."""

ITEM, VALUE = 512, 8
"""Bytes that a row takes in the list of inputs, and that each of its values takes when it is unpacked."""

BATCH = 1024
"""Rows that are unpacked before their bytes are counted."""

# Threads that want the same group wait for the first of them to read it.
_ONE_READER = threading.Lock()


@dataclass(frozen=True, eq=False)
class Groups:
    """A Parquet file. kinds: by column, see KINDS; starts: first row of each group, then how many rows there are.

    classes: names that Hugging Face's datasets keep for the classes of `label`, or None.
    """

    path: Path
    stamp: tuple[int, int]
    kinds: dict[str, str]
    starts: tuple[int, ...]
    classes: tuple[str, ...] | None

    def __len__(self) -> int:
        return self.starts[-1]

    def row(self, index: int, columns: tuple[str, ...]) -> dict[str, Any]:
        """Return values of a row, of a struct its bytes. The last group read, of any file, is kept in memory.

        Raises InputError where the file was changed or is damaged, or its group takes more than Limits.array_bytes.
        """
        if index >= len(self):
            raise InputError(f"file {self.path.name} has {len(self)} rows now; it was changed during the run")
        number = bisect_right(self.starts, index) - 1
        leaves = tuple(f"{name}.{INNER}" if self.kinds[name] == STRUCT else name for name in columns)
        # Kept as an index into what is there once, so that a value said a million times is held once.
        shared = tuple(
            leaf for name, leaf in zip(columns, leaves, strict=True) if self.kinds[name] in (TEXT, BYTES, STRUCT)
        )
        with _ONE_READER, _told(self.path):
            group = _group(self.path, self.stamp, number, leaves, shared)
            found = {name: group.column(name)[index - self.starts[number]].as_py() for name in columns}
        return {
            name: value[INNER] if value is not None and self.kinds[name] == STRUCT else value
            for name, value in found.items()
        }


def open_groups(path: Path) -> Groups:
    """Read the footer of a .parquet; those of the last files are kept.

    Raises InputError where pyarrow is missing, the file is damaged, has a name of a column twice, or more rows than
    Limits.array_bytes can list.
    """
    with _ONE_READER, _told(path):
        stamp = path.stat()
        return _open(path, (stamp.st_mtime_ns, stamp.st_size))


def require_pyarrow(path: Path) -> None:
    """Raise InputError where a Parquet file is to be read and pyarrow is missing."""
    if path.suffix.lower() == PARQUET:
        with _told(path):
            pass


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise whatever pyarrow says of a file as an InputError with its name."""
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(f"reading {path.name} needs the package pyarrow: pip install 'onnxpath[parquet]'") from error
    # Which of them a damaged file brings about is chance.
    damaged = (OSError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError, NotImplementedError)
    try:
        yield
    except InputError:
        raise
    except (pyarrow.ArrowException, *damaged) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"file {path.name} cannot be read: {reason}") from error


@lru_cache(maxsize=4)
def _open(path: Path, stamp: tuple[int, int]) -> Groups:
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as opened, ParquetFile(opened) as file:
        schema, footer = file.schema_arrow, file.metadata
        rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise InputError(f"file {path.name} has a column '{twice[0]}' {schema.names.count(twice[0])} times")
    if min(rows, default=0) < 0:
        raise InputError(f"file {path.name} is damaged: a row group has {min(rows)} rows")
    _check_bytes(sum(rows) * ITEM, f"the list of the {sum(rows)} rows of {path.name}")
    kinds = {field.name: _kind(field.type) for field in schema}
    return Groups(path, stamp, kinds, tuple(accumulate(rows, initial=0)), _classes(schema.metadata or {}))


@lru_cache(maxsize=1)
def _group(path: Path, stamp: tuple[int, int], number: int, leaves: tuple[str, ...], shared: tuple[str, ...]) -> Any:
    del stamp  # only there so that a changed file is read again
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile

    what = f"row group {number} of {path.name}"
    options = {"read_dictionary": list(shared), "pre_buffer": False, "page_checksum_verification": True}
    batches: list[Any] = []
    size = 0
    with path.open("rb") as opened, ParquetFile(opened, **options) as file:
        # Its columns are not asked for their sizes: pyarrow ends the process where a footer is damaged there.
        held = file.metadata.row_group(number)
        _check_bytes(max(0, held.total_byte_size) + held.num_rows * VALUE * len(leaves), what)
        # What a footer declares may be false.
        for batch in file.iter_batches(BATCH, [number], list(leaves), use_threads=False):
            batches.append(batch)
            size += batch.nbytes
            _check_bytes(size, what)
    if (rows := sum(len(batch) for batch in batches)) != held.num_rows:
        raise InputError(f"file {path.name} is damaged: row group {number} holds {rows} of {held.num_rows} rows")
    return Table.from_batches(batches)


def _check_bytes(size: int, what: str) -> None:
    most = limits().array_bytes
    if size > most:
        raise InputError(
            f"{what} takes {size} bytes in memory, and at most {most} are taken; write smaller files or row groups, or "
            f"set the environment variable {variable('array_bytes')}"
        )


def _kind(kind: Any) -> str:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_struct(kind) and (place := kind.get_field_index(INNER)) >= 0 and _kind(kind[place].type) == BYTES:
        return STRUCT
    return KINDS.get(str(kind), str(kind))


def _classes(metadata: dict[bytes, bytes]) -> tuple[str, ...] | None:
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return None  # others write what they like there
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(map(printable, names)) if listed and names else None
