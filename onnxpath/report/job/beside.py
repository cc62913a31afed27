"""Data files beside the page of a large run: the cards and small pictures of each unit, and an index of all inputs.

page/cards-000007.js   the cards of a unit's inputs, HTML, fetched when one of them is opened
page/tiles-000007.js   their small pictures on one sheet, fetched when one of them is shown; none where none has one
page/index.js          see index.py

They are scripts, because a page that is opened from a disk may fetch nothing else. Each holds one call with plain data,
and is the same bytes in every run. They are drawn as their unit is explained (units.py); those that are missing, or not
up to date, are drawn here from rows and raw arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from onnxpath.files import PART, printable, write_bytes, write_pieces
from onnxpath.report.data import Item
from onnxpath.report.index import index_pieces
from onnxpath.report.job.datafiles import FOLDER, INDEX, Drawn, head_of, path_of
from onnxpath.report.job.prepare import Job
from onnxpath.report.job.restore import restored
from onnxpath.report.job.store import Store

INLINE = 200
"""A page of at most so many inputs holds them all itself."""


def is_large(job: Job) -> bool:
    """Return whether a run has data files beside its page."""
    return len(job.items) > INLINE


def write_unit(job: Job, store: Store, unit: int, texts: Sequence[str]) -> None:
    """Write the data files of a finished unit, unless they are there or the page holds all inputs itself.

    texts: JSON of its inputs' rows. Raises JobError.
    """
    span = store.span(unit)
    if not is_large(job) or _starts_with(job.out / path_of("cards", unit), head_of(texts)):
        return
    rows = [store.row(n, text, printable(job.items[n].name)) for n, text in zip(span, texts, strict=True)]
    restored(job, [(n, row) for n, row in zip(span, rows, strict=True) if isinstance(row, Item)], store.damaged)
    drawn = Drawn(unit, span.start)
    for row in rows:
        drawn.add(row if isinstance(row, Item) else None)
    files = drawn.files(texts)
    if path_of("tiles", unit) not in files:
        (job.out / path_of("tiles", unit)).unlink(missing_ok=True)
    for path, data in files.items():
        write_bytes(job.out / path, data)


def write_index(job: Job, store: Store, inputs: Iterable[tuple[int, Item]]) -> None:
    """Write the index of inputs, (number, item) each, that are taken one by one. Raises JobError."""
    path = job.out / INDEX

    def with_pictures() -> Iterator[int]:
        return (unit for unit in sorted(store.finished) if (job.out / path_of("tiles", unit)).exists())

    def pieces() -> Iterator[bytes]:
        yield b"onnxpath.index("
        yield from (piece.encode("utf-8") for piece in index_pieces(inputs, with_pictures, store.unit))
        yield b");\n"

    for left in path.parent.glob(f".*{PART}"):
        left.unlink(missing_ok=True)  # a killed run was writing it
    write_pieces(path, pieces())


def forget(folder: Path) -> None:
    """Take away the data files of a run that came to nothing."""
    for path in (folder / FOLDER).glob("*.js"):
        path.unlink(missing_ok=True)
    if (folder / FOLDER).is_dir():
        (folder / FOLDER).rmdir()


def _starts_with(path: Path, head: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head.encode()
    except OSError:
        return False
