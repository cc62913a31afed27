"""The file of a finished unit: what is true of all its inputs on the first line, then the row of each input.

What is read again may be damaged since, or another's: every value is checked before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from onnxpath.errors import JobError
from onnxpath.files import write_bytes
from onnxpath.report.data import Failure, Item
from onnxpath.report.plain import compact
from onnxpath.typed import parse, read_as

Row = Item | Failure


@dataclass(frozen=True)
class Head:
    """unit: its number; first: index of its first input; inputs: how many; searched: method -> sparsity found."""

    unit: int
    first: int
    inputs: int
    searched: Mapping[str, float] = field(default_factory=dict)


def write_unit(path: Path, head: Head, rows: Sequence[str]) -> None:
    """Write a unit's file in one step; rows: JSON text of each input. Raises JobError."""
    write_bytes(path, "\n".join([compact(asdict(head)), *rows, ""]).encode("utf-8"))


def read_head(path: Path, unit: int, span: range) -> Head:
    """Read the first line; JobError where it is none, or not of this unit."""
    line = next(_lines(path), "")
    try:
        head = read_as(Head, parse(line))
        if (head.unit, head.first, head.inputs) != (unit, span.start, len(span)):
            raise ValueError(f"it is of unit {head.unit}, {head.inputs} inputs from {head.first} on")
    except ValueError as error:
        raise damaged(path, 1, error) from error
    return head


def read_texts(path: Path, unit: int, span: range) -> Iterator[tuple[int, str]]:
    """Yield (index, JSON text) of each input; JobError where there are more or fewer of them."""
    read_head(path, unit, span)
    lines = _lines(path)
    next(lines)
    index = span.start
    for text in lines:
        if index == span.stop:
            raise damaged(path, len(span) + 2, f"the unit has {len(span)} inputs")
        yield index, text
        index += 1
    if index < span.stop:
        raise damaged(path, index - span.start + 2, f"the file ends here, and the unit has {len(span)} inputs")


def read_row(path: Path, place: int, text: str, name: str) -> Row:
    """Return what a row says; place: in its unit; name: of the input that it must be of. Raises JobError."""
    try:
        plain = parse(text)
        failed = isinstance(plain, dict) and "error" in plain
        row = read_as(Failure, plain) if failed else read_as(Item, plain)
        if row.name != name:
            raise ValueError(f"it is of input '{row.name[:80]}', not of '{name[:80]}'")
        if isinstance(row, Item) and row.arrays and _is_elsewhere(PurePosixPath(row.arrays)):
            raise ValueError(f"its raw arrays '{row.arrays[:80]}' lie outside the folder")
    except ValueError as error:
        raise damaged(path, place + 2, error) from error
    return row


def _is_elsewhere(path: PurePosixPath) -> bool:
    return path.is_absolute() or ".." in path.parts


def damaged(path: Path, line: int, problem: object) -> JobError:
    """Return the error of a file that no run wrote like that."""
    return JobError(
        f"'{path}', line {line}, is not what a run writes: {problem}; delete that file, and the same command explains "
        "its inputs again"
    )


def _lines(path: Path) -> Iterator[str]:
    line = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line, text in enumerate(file, 1):  # noqa: B007
                yield text.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, line + 1, error) from error
