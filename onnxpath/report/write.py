"""Writing a report's files so that each is either whole or not there."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from onnxpath.errors import JobError
from onnxpath.files import npz_bytes, printable, unwritable, write_bytes, write_pieces
from onnxpath.report.data import Item, PageData
from onnxpath.report.page import render
from onnxpath.report.plain import compact, json_pieces

DATA, ARRAYS = "report.json", "arrays"

Write: TypeAlias = Callable[[str, bytes], None]
"""Takes a file of a report: its path in the report's folder, with forward slashes, and its bytes."""

DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{kind}{i}" for kind in ("COM", "LPT") for i in range(10))}
"""Names that Windows takes for devices, whatever follows the first dot."""


def check_writable(folder: Path) -> None:
    """Prove that files can be written in the folder, or that it can be made; JobError where not.

    To be called before any work is started whose results belong there. Leaves nothing behind.
    """
    folder = Path(folder)
    made = []
    try:
        for part in reversed([folder, *folder.parents]):
            if not part.exists():
                part.mkdir()
                made.append(part)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        for part in reversed(made):
            part.rmdir()


def check_file(file: Path, *sources: Path) -> None:
    """Prove that a file can be written where it is asked for, as `check_writable` does of its folder.

    sources: files that it is made of, which it must not replace. Raises JobError.
    """
    if file.is_dir():
        raise JobError(f"'{file}' cannot be written: it is a folder; name a file in it with -o")
    if any(file.exists() and source.exists() and file.samefile(source) for source in sources):
        raise JobError(f"'{file}' is what is read, and would be lost; name another file with -o")
    check_writable(file.parent)


def write_report(folder: Path, report: PageData, rows: Iterable[str] | None = None) -> Path:
    """Write a page and its JSON (report.html, report.json, or its kind's names) into the folder; return its path.

    rows: what the JSON holds of each input, default the page's items. Each file is whole before it replaces another of
    its name, and the page is drawn before the first one does. Raises JobError.
    """
    page, facts = Path(folder, f"{report.page}.html"), Path(folder, f"{report.page}.json")
    text = printable(render(report)).encode("utf-8")
    write_pieces(facts, (piece.encode("utf-8") for piece in json_pieces(report, rows)))
    write_bytes(page, text)
    return page


def into(folder: Path) -> Write:
    """Return what writes files into a folder, each whole or not there; it raises JobError."""
    return lambda path, data: write_bytes(Path(folder, path), data)


def save_arrays(write: Write, unit: int, item: Item, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write an item's raw arrays as arrays/<number of its unit>/<name>.npz with a JSON of its facts beside it.

    The .npz's path relative to the folder, with forward slashes, is kept in `item.arrays`. Returns the item's row: its
    JSON text on one line.
    """
    stem = f"{ARRAYS}/{unit:06d}/{file_stem(item.name)}"
    item.arrays = f"{stem}.npz"
    row = compact(item)
    contents = {name: {"dtype": str(array.dtype), "shape": array.shape} for name, array in arrays.items()}
    write(f"{stem}.npz", npz_bytes(arrays))
    # The row again, with one more field.
    write(f"{stem}.json", f'{row[:-1]}, "contents": {compact(contents)}}}\n'.encode())
    return row


def file_stem(name: str) -> str:
    """Return a file name for an item: readable, safe on every system, and different for different names."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[-60:].strip("-.")
    safe = f"_{safe}" if safe.partition(".")[0].upper() in DEVICES else safe
    return f"{safe or 'item'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
