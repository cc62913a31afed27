"""Data files beside the page of a large run: the cards and small pictures of each unit, and an index of all inputs.

page/cards-000007.js   the cards of a unit's inputs, HTML, fetched when one of them is opened
page/tiles-000007.js   their small pictures on one sheet, fetched when one of them is shown; none where none has one
page/index.js          see index.py

They are scripts, because a page that is opened from a disk may fetch nothing else. Each holds one call with plain data,
is the same bytes in every run, and is drawn from rows and arrays alone: those that are there and up to date stay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from onnxpath.files import PART, printable, write_bytes, write_pieces
from onnxpath.report.build import versions
from onnxpath.report.cards import card
from onnxpath.report.data import Item
from onnxpath.report.encode import SHEET_COLUMNS, sheet_uri
from onnxpath.report.index import index_pieces
from onnxpath.report.prepare import Job
from onnxpath.report.restore import restored
from onnxpath.report.store import Store
from onnxpath.report.template import TEMPLATES

FOLDER = "page"
INLINE = 200
"""A page of at most so many inputs holds them all itself."""


def is_large(job: Job) -> bool:
    """Return whether a run has data files beside its page."""
    return len(job.items) > INLINE


def write_unit(job: Job, store: Store, unit: int, texts: Sequence[str]) -> None:
    """Write the data files of a finished unit, unless they are there or the page holds all inputs itself.

    texts: JSON of its inputs' rows. Raises JobError.
    """
    if not is_large(job):
        return
    cards, tiles = _path(job.out, "cards", unit), _path(job.out, "tiles", unit)
    head = f"// {_key(texts)}\n"
    if _starts_with(cards, head):
        return
    rows = [store.row(n, text, printable(job.items[n].name)) for n, text in zip(store.span(unit), texts, strict=True)]
    given = [(number, row) for number, row in zip(store.span(unit), rows, strict=True) if isinstance(row, Item)]
    restored(job, given, store.damaged)
    sheet = sheet_uri([row.shown if isinstance(row, Item) else None for row in rows])
    if sheet is None:
        tiles.unlink(missing_ok=True)
    else:
        _write(tiles, head, f"onnxpath.tiles({unit},{-(-len(rows) // SHEET_COLUMNS)},{json.dumps(sheet)});\n")
    # Last, because its first line tells that both are there.
    drawn = {number: printable(card(number, item)) for number, item in given}
    lines = ",\n".join(json.dumps(drawn.get(number), ensure_ascii=False) for number in store.span(unit))
    _write(cards, head, f"onnxpath.cards({unit},[\n{lines}\n]);\n")


def write_index(job: Job, store: Store, inputs: Iterable[tuple[int, Item]]) -> None:
    """Write the index of inputs, (number, item) each, that are taken one by one. Raises JobError."""
    path = job.out / FOLDER / "index.js"

    def with_pictures() -> Iterator[int]:
        return (unit for unit in sorted(store.finished) if _path(job.out, "tiles", unit).exists())

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


def _path(folder: Path, kind: str, unit: int) -> Path:
    return folder / FOLDER / f"{kind}-{unit:06d}.js"


def _write(path: Path, head: str, call: str) -> None:
    write_bytes(path, (head + call).encode("utf-8"))


def _starts_with(path: Path, head: str) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head.encode()
    except OSError:
        return False


def _key(texts: Sequence[str]) -> str:
    """What the cards of these rows are drawn from, as a hash: other rows or another template, another key."""
    return hashlib.sha256("\n".join([_drawing(), *texts]).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _drawing() -> str:
    sources = [versions().get("onnxpath", ""), *(path.read_text("utf-8") for path in sorted(TEMPLATES.glob("*.html")))]
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()
