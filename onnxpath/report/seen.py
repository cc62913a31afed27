"""Pictures of the inputs of a finished report, read again from its page or the data files beside it."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.picture import open_picture
from onnxpath.errors import InputError
from onnxpath.report.job.datafiles import INDEX, path_of
from onnxpath.report.pictures import shown_name
from onnxpath.typed import parse

PAGE = "report.html"

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
    by_file: dict[Path, dict[str, int]] = {}
    for name, number in index.numbers.items():
        by_file.setdefault(_file_of(folder, index.unit, number), {})[name] = number
    return {
        name: picture for file, inputs in by_file.items() for name, picture in _read_pictures(file, index.unit, inputs)
    }


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


def _file_of(folder: Path, unit: int, number: int) -> Path:
    return folder / (path_of("cards", number // unit) if unit else PAGE)


def _read_pictures(file: Path, unit: int, inputs: Mapping[str, int]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield (name, picture) of those inputs, name -> number, whose picture is in a file, which is read once."""
    wanted = {f'<image id="{shown_name(number)}" ': name for name, number in inputs.items()}
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for line in _card_lines(list(lines), unit, inputs) if unit else lines:
                begin = line[: line.find(" ", len("<image ")) + 1]
                if begin in wanted and (held := _HELD.search(line)):
                    with suppress(ValueError, InputError):
                        picture = open_picture(base64.b64decode(held[1]), begin)
                        yield wanted[begin], np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return


def _card_lines(lines: list[str], unit: int, inputs: Mapping[str, int]) -> Iterator[str]:
    """Yield the lines of inputs' cards, each a text on a line of its own behind the first two (datafiles.py)."""
    for number in inputs.values():
        with suppress(ValueError, IndexError):
            yield from str(parse(lines[2:][number % unit].rstrip(",\n"))).split("\n")
