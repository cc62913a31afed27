"""Charts of lines with bands, as numbers that a template draws as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH, HEIGHT = 320, 180
COLOURS = 10
"""Methods are told apart by ten colours, over and over; baselines are grey, each dashed in its own way."""


@dataclass(frozen=True)
class Line:
    """One method over places `at`: its mean, and a band between low and high where these are given; title: on hover."""

    method: str
    baseline: bool
    at: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] = field(default=())
    high: Sequence[float] = field(default=())
    title: str = ""


def line_chart(title: str, along: str, lines: Sequence[Line], names: Sequence[str] = ()) -> dict[str, Any]:
    """Return what chart.html draws, in a box of WIDTH × HEIGHT that has zero and every line in it.

    along: what the places are; names: of single places. Baselines have no bands, which would hide the methods.
    """
    values = [v for line in lines for v in ((*line.mean, *line.low, *line.high) if not line.baseline else line.mean)]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    places = [at for line in lines for at in line.at]
    left, right = min(places), max(places)
    right = right if right > left else left + 1
    methods = sorted(line.method for line in lines if not line.baseline)
    plain = sorted(line.method for line in lines if line.baseline)

    def points(at: Sequence[float], heights: Sequence[float]) -> str:
        pairs = zip(at, heights, strict=True)
        return " ".join(
            f"{WIDTH * (x - left) / (right - left):.1f},{HEIGHT * (1 - (y - low) / (high - low)):.1f}" for x, y in pairs
        )

    def drawn(line: Line) -> dict[str, Any]:
        place = (plain if line.baseline else methods).index(line.method)
        banded = bool(line.low) and not line.baseline
        return {
            "kind": f"baseline dash-{place % 6}" if line.baseline else f"method colour-{place % COLOURS}",
            "title": line.title or line.method,
            "method": line.method,
            "mean": points(line.at, line.mean),
            "band": points([*line.at, *line.at[::-1]], [*line.high, *line.low[::-1]]) if banded else "",
        }

    return {
        "title": title,
        "along": along,
        "names": list(names),
        "low": low,
        "high": high,
        "left": left,
        "right": right,
        "width": WIDTH,
        "height": HEIGHT,
        "lines": [drawn(line) for line in reversed(lines)],
    }
