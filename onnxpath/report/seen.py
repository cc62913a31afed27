"""Pictures of the inputs of a finished report, read again from its page or the data files beside it."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.picture import open_picture
from onnxpath.errors import InputError
from onnxpath.report.job.datafiles import FOLDER, path_of
from onnxpath.report.pictures import shown_name
from onnxpath.typed import parse

PAGE, INDEX = "report.html", f"{FOLDER}/index.js"

_BEGINS = re.compile(r'\{"unit": (\d{1,9}), "columns": \["number","name",')
"""In the line before the rows of an index, each of which is a line and begins with number and name (index.py)."""

_HELD = re.compile(r' href="data:image/(?:png|webp);base64,([A-Za-z0-9+/=]+)"')


@dataclass
class _Index:
    """unit: inputs in a data file, 0 where the page holds all; numbers: of the inputs that were asked for, by name."""

    unit: int = 0
    numbers: dict[str, int] = field(default_factory=dict)


def seen(folder: Path, names: Collection[str]) -> dict[str, NDArray[np.uint8]]:
    """Return name -> picture uint8 (H, W, 3) of those inputs that have one on the page of a finished report.

    It is as the page holds it: small ones exactly, large ones shrunk. A picture that is gone, or cannot be read, is
    left out: pages are for readers, and may have been taken away or written by another version.
    """
    try:
        index = _read_index(folder, names)
    except (OSError, ValueError):
        return {}
    found = {name: _picture(folder, index.unit, number) for name, number in index.numbers.items()}
    return {name: picture for name, picture in found.items() if picture is not None}


def _read_index(folder: Path, names: Collection[str]) -> _Index:
    path, index, within = folder / INDEX, _Index(), False
    with (path if path.is_file() else folder / PAGE).open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if begins := _BEGINS.search(line):
                index.unit, within = int(begins[1]), True
            elif within and line.startswith("["):
                row = parse(line.rstrip(",\n"))
                if len(row) > 1 and isinstance(row[1], str) and row[1] in names and isinstance(row[0], int):
                    index.numbers[row[1]] = row[0]
            else:
                within = False
    return index


def _picture(folder: Path, unit: int, number: int) -> NDArray[np.uint8] | None:
    begin = f'<image id="{shown_name(number)}" '
    try:
        lines = _card(folder, unit, number) if unit else (folder / PAGE).read_text("utf-8").split("\n")
        found = _HELD.search(next((line for line in lines if line.startswith(begin)), ""))
        return np.asarray(open_picture(base64.b64decode(found[1]), begin).convert("RGB")) if found else None
    except (OSError, ValueError, IndexError, InputError):
        return None


def _card(folder: Path, unit: int, number: int) -> list[str]:
    """Return the lines of an input's card, a text on a line of its own behind the first two (datafiles.py)."""
    with (folder / path_of("cards", number // unit)).open(encoding="utf-8", newline="\n") as file:
        cards = list(file)[2:]
    return str(parse(cards[number % unit].rstrip(",\n"))).split("\n")
