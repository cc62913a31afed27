"""Numbers of small charts: where bars stand and how high they are. Templates draw them as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.report.data import LayerCount

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
class VectorChart:
    """A signed vector as two SVG paths in a box of `count` × 2, zero in the middle; pooled: entries per bar."""

    positive: str
    negative: str
    count: int
    pooled: int


def histogram(values: Sequence[float], low: float, high: float, bins: int = 20) -> Histogram | None:
    """Count values between low and high; None without values. Values outside go into the outermost bins."""
    if not values:
        return None
    if high <= low:
        low, high = low - 0.5, low + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    peak = int(counts.max())
    bars = [
        Bar(count / peak, f"{start:.3g} to {stop:.3g}: {count} {'input' if count == 1 else 'inputs'}")
        for count, start, stop in zip(counts.tolist(), edges, edges[1:], strict=False)
    ]
    return Histogram(bars, low, high, peak, len(values))


def layer_chart(layers: Sequence[LayerCount]) -> LayerChart | None:
    """Turn keep counts into bars in the order of the layers; None without layers."""
    if not layers:
        return None
    pooled = -(-len(layers) // MOST_LAYERS)
    groups = [layers[start : start + pooled] for start in range(0, len(layers), pooled)]
    has_active = all(layer.active is not None for layer in layers)
    rows = [_pool(group, has_active) for group in groups]
    top = _nice_top(max(max(kept, active or 0.0) for _, kept, active in rows))
    return LayerChart(
        [_layer_title(name, kept, active) for name, kept, active in rows],
        _layer_path([kept / top for _, kept, _ in rows]),
        _layer_path([(active or 0.0) / top for _, _, active in rows]),
        top,
        pooled,
        has_active,
    )


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
    name = group[0].name if len(group) == 1 else f"{group[0].name} … {group[-1].name}"
    active = sum(layer.active or 0 for layer in group) / neurons if has_active else None
    return name, sum(layer.kept for layer in group) / neurons, active


def _layer_path(heights: Sequence[float]) -> str:
    return "".join(f"M{10 * i + 1} 60v{-60 * h:.1f}h8V60z" for i, h in enumerate(heights) if h > 0)


def _layer_title(name: str, kept: float, active: float | None) -> str:
    return f"{name}: {kept:.1%} kept" + ("" if active is None else f", {active:.1%} active")


def _nice_top(largest: float) -> float:
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
    return next((step for step in steps if largest <= step), 1.0)
