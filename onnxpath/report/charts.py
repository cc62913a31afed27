"""Numbers of small charts: where bars stand and how high they are. Templates draw them as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxpath.report.data import LayerCount
from onnxpath.report.spread import Spread
from onnxpath.shown import plural

T = TypeVar("T")

# Bars of a histogram.
MOST_BINS, FEWEST_BINS = 25, 9
# More layers, or more entries of a vector, than this are pooled into as many bars.
MOST_LAYERS = 64
MOST_ENTRIES = 512


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram; height is a fraction of the chart's height."""

    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """Counts of values in equal bins over [low, high]; peak: the largest count."""

    bars: list[Bar]
    low: float
    high: float
    peak: int
    count: int


@dataclass(frozen=True)
class LayerChart:
    """Kept and active fractions by layer, as SVG paths of bars in a box of 10 · len(titles) × 60.

    top: the fraction at full height; pooled: layers per bar, 1 as a rule.
    """

    titles: list[str]
    kept: str
    active: str
    top: float
    pooled: int
    has_active: bool


@dataclass(frozen=True)
class HeatCell:
    """One cell of a heat map: its value, None where undefined, and how dark it is, 0 to 1; note: what is said below."""

    value: float | None
    shade: float
    note: str = ""


@dataclass(frozen=True)
class HeatMap:
    """A table whose cells are coloured by their values, from `low` without colour to `top`; rows: (name, cells)."""

    columns: list[str]
    rows: list[tuple[str, list[HeatCell]]]
    top: float
    low: float = 0.0


@dataclass(frozen=True)
class VectorChart:
    """A signed vector as two SVG paths in a box of `count` × 2, zero in the middle; pooled: entries per bar."""

    positive: str
    negative: str
    count: int
    pooled: int


def histogram(
    spread: Spread, low: float | None = None, high: float | None = None, of: str = "input"
) -> Histogram | None:
    """Draw how numbers spread, over low to high where these are given; None without numbers. of: what each is of."""
    if not spread.count:
        return None
    left, width, counts = spread.binned(MOST_BINS, low, high)
    # A single bar would fill the whole chart.
    padding = max(0, (FEWEST_BINS - len(counts) + 1) // 2) if low is None and high is None else 0
    counts, left = [0] * padding + counts + [0] * padding, left - padding * width
    edges = [left + width * place for place in range(len(counts) + 1)]
    peak = max(counts)
    bars = [
        Bar(count / peak, f"{start:.5g} to {stop:.5g}: {count} {plural(of, count)}")
        for count, (start, stop) in zip(counts, pairwise(edges), strict=True)
    ]
    return Histogram(bars, edges[0], edges[-1], peak, spread.count)


def layer_chart(layers: Sequence[LayerCount]) -> LayerChart | None:
    """Turn keep counts into bars in the order of the layers; None without layers."""
    if not layers:
        return None
    groups = _groups(layers)
    has_active = all(layer.active is not None for layer in layers)
    rows = [_pool(group, has_active) for group in groups]
    titles = [_layer_title(name, kept, active) for name, kept, active in rows]
    return _chart(titles, [(kept, active) for _, kept, active in rows], len(groups[0]), has_active)


def value_chart(
    names: Sequence[str], values: Sequence[float], behind: Sequence[float] | None, words: tuple[str, str]
) -> LayerChart | None:
    """Turn values of layers, not negative, into bars in their order, pale ones behind; None without layers.

    words: what a value and one behind it are called. Bars of several layers show the mean.
    """
    if not names:
        return None
    groups = _groups(list(zip(names, values, behind if behind is not None else [None] * len(names), strict=True)))
    titles, bars = [], []
    for group in groups:
        own, fronts, backs = zip(*group, strict=True)
        front, back = _mean(fronts), _mean(backs)
        titles.append(_value_title(_group_name(own), front, back, words))
        bars.append((front or 0.0, back))
    return _chart(titles, bars, len(groups[0]), behind is not None)


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
    notes: Sequence[Sequence[str]] | None = None,
    top: float | None = None,
    low: float = 0.0,
) -> HeatMap:
    """Turn a table of values, none below `low`, into cells coloured from `low` to `top`, default the largest."""
    known = [v for row in values for v in row if v is not None]
    full = top if top is not None else max(known, default=0.0)
    told = notes if notes is not None else [[""] * len(columns)] * len(rows)
    cells = [
        [
            HeatCell(v, min(1.0, (v - low) / (full - low)) if v is not None and full > low else 0.0, note)
            for v, note in zip(row, said, strict=True)
        ]
        for row, said in zip(values, told, strict=True)
    ]
    return HeatMap(list(columns), list(zip(rows, cells, strict=True)), full, low)


def vector_chart(values: NDArray[Any], limit: float) -> VectorChart:
    """Turn a signed vector (L,) into bars between -limit and +limit; pooled bars show the entry of largest size."""
    pooled = max(1, -(-len(values) // MOST_ENTRIES))
    groups = [values[start : start + pooled] for start in range(0, len(values), pooled)]
    heads = [float(group[np.argmax(np.abs(group))]) for group in groups]
    scaled = [max(-1.0, min(1.0, head / limit)) if limit > 0 else 0.0 for head in heads]
    paths = {True: "", False: ""}
    for place, value in enumerate(scaled):
        if value:
            paths[value > 0] += f"M{place + 0.1:g} 1v{-value:.3f}h.8v{value:.3f}z"
    return VectorChart(paths[True], paths[False], len(heads), pooled)


def _pool(group: Sequence[LayerCount], has_active: bool) -> tuple[str, float, float | None]:
    neurons = max(1, sum(layer.neurons for layer in group))
    name = _group_name([layer.name for layer in group])
    active = sum(layer.active or 0 for layer in group) / neurons if has_active else None
    return name, sum(layer.kept for layer in group) / neurons, active


def _groups(values: Sequence[T]) -> list[Sequence[T]]:
    size = -(-len(values) // MOST_LAYERS)
    return [values[start : start + size] for start in range(0, len(values), size)]


def _group_name(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _chart(titles: list[str], bars: Sequence[tuple[float, float | None]], pooled: int, has_behind: bool) -> LayerChart:
    top = _nice_top(max(max(front, behind or 0.0) for front, behind in bars))
    return LayerChart(
        titles,
        _layer_path([front / top for front, _ in bars]),
        _layer_path([(behind or 0.0) / top for _, behind in bars]),
        top,
        pooled,
        has_behind,
    )


def _value_title(name: str, value: float | None, behind: float | None, words: tuple[str, str]) -> str:
    parts = [f"{v:.2%} {word}" for v, word in zip((value, behind), words, strict=True) if v is not None]
    return f"{name}: {', '.join(parts) or 'not defined'}"


def _layer_path(heights: Sequence[float]) -> str:
    return "".join(f"M{10 * i + 1} 60v{-60 * h:.1f}h8V60z" for i, h in enumerate(heights) if h > 0)


def _layer_title(name: str, kept: float, active: float | None) -> str:
    return f"{name}: {kept:.1%} kept" + ("" if active is None else f", {active:.1%} active")


def _nice_top(largest: float) -> float:
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
    return next((step for step in steps if largest <= step), float(max(1, ceil(largest))))
