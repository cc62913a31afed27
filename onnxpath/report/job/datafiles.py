"""The data files of a unit, drawn: the cards of its inputs, and their small pictures on one sheet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from onnxpath.files import printable
from onnxpath.report.build import versions
from onnxpath.report.cards import card
from onnxpath.report.data import Item
from onnxpath.report.encode import SHEET_COLUMNS, sheet_uri
from onnxpath.report.template import TEMPLATES

FOLDER = "page"
INDEX = f"{FOLDER}/index.js"


class Drawn:
    """What a page shows of a unit's inputs, which are added in order. number: of the unit; first: of its first input.

    A card is drawn as its input is added: what is held until the unit is finished are texts and the pictures.
    """

    def __init__(self, number: int, first: int) -> None:
        self.number, self._next = number, first
        self._cards: list[str | None] = []
        self._shown: list[NDArray[np.uint8] | None] = []

    def add(self, item: Item | None) -> None:
        """Draw the next input; None for one that could not be explained."""
        self._cards.append(None if item is None else printable(card(self._next, item)))
        self._shown.append(None if item is None else item.shown)
        self._next += 1

    def files(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Return path in the report's folder -> bytes of each data file; texts: JSON of the inputs' rows.

        The cards are last, because their first line tells that all are there.
        """
        sheet, head, found = sheet_uri(self._shown), head_of(texts), {}
        if sheet is not None:
            rows = -(-len(self._shown) // SHEET_COLUMNS)
            found[path_of("tiles", self.number)] = f"onnxpath.tiles({self.number},{rows},{json.dumps(sheet)});\n"
        lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in self._cards)
        found[path_of("cards", self.number)] = f"onnxpath.cards({self.number},[\n{lines}\n]);\n"
        return {path: (head + call).encode("utf-8") for path, call in found.items()}


def path_of(kind: str, unit: int) -> str:
    """Return the path of a unit's data file in the report's folder; kind: "cards" | "tiles"."""
    return f"{FOLDER}/{kind}-{unit:06d}.js"


def head_of(texts: Sequence[str]) -> str:
    """Return the first line of a unit's files: other rows, or another template, and it is another line."""
    drawn_from = "\n".join([_drawing(), *texts]).encode("utf-8", "surrogatepass")
    return f"// {hashlib.sha256(drawn_from).hexdigest()}\n"


@cache
def _drawing() -> str:
    sources = [versions().get("onnxpath", ""), *(path.read_text("utf-8") for path in sorted(TEMPLATES.glob("*.html")))]
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()
