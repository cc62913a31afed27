"""Tokens and features with their scores, as the page shows them: coloured text, and a table of signed bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnxpath.report.colour import LUMINANCE, colour_index, palette
from onnxpath.report.data import AttributionMap, Item

MOST_BARS = 30
"""Features that the page shows; all are in report.json."""

SUPPORTS, OPPOSES = "supports", "opposes"


@dataclass(frozen=True)
class TokenView:
    """A token: its text, score, the CSS colours of its background and text, and the side that it is on, "" for none."""

    text: str
    score: float
    back: str
    front: str
    side: str


@dataclass(frozen=True)
class Bar:
    """A feature: name, value, score, and its bar as fractions of half the width, cut at 1."""

    name: str
    value: float
    score: float
    length: float


@dataclass(frozen=True)
class Bars:
    """The features with the largest scores, largest first; hidden: how many more there are."""

    shown: list[Bar]
    hidden: int


def token_views(item: Item, entry: AttributionMap) -> list[TokenView] | None:
    """Return the tokens of a text with their scores; None for anything else."""
    if item.parts_are != "tokens" or entry.scores is None:
        return None
    colours = palette()[colour_index(np.array(entry.scores), entry.limit)]
    return [
        TokenView(part.name, score, _css(colour), "#000" if _light(colour) else "#fff", _side(score))
        for part, score, colour in zip(item.parts, entry.scores, colours.tolist(), strict=True)
    ]


def feature_bars(item: Item, entry: AttributionMap) -> Bars | None:
    """Return the features of a row, by the size of their scores; None for anything else."""
    if item.parts_are != "features" or entry.scores is None:
        return None
    limit = entry.limit or 1.0
    bars = [
        Bar(part.name, part.value, score, min(1.0, abs(score) / limit))
        for part, score in zip(item.parts, entry.scores, strict=True)
    ]
    bars.sort(key=lambda bar: -abs(bar.score))
    return Bars(bars[:MOST_BARS], max(0, len(bars) - MOST_BARS))


def _side(score: float) -> str:
    return SUPPORTS if score > 0 else OPPOSES if score < 0 else ""


def _css(colour: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _light(colour: list[int]) -> bool:
    """True where black text is the more readable one: the relative luminance of WCAG 2 is above 0.179."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return sum(share * value for share, value in zip(LUMINANCE, linear, strict=True)) > 0.179
