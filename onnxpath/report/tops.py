"""Top channels as a page tells them: those of a layer in its row, and those that stand out over all layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from onnxpath.report.data import LayerCount
from onnxpath.report.template import percent

MOST_LEADING = 3


class Leading(NamedTuple):
    """A layer's top channel. share: of what the layer's kept neurons score."""

    layer: str
    channel: int
    share: float


def leading(layers: Sequence[LayerCount]) -> list[Leading]:
    """Return the top channels that hold the most of their layers, at most MOST_LEADING, the largest share first."""
    found = [Leading(one.name, one.channels[0], one.shares[0]) for one in layers if one.channels and one.shares]
    return sorted(found, key=lambda top: -top.share)[:MOST_LEADING]


def told(layer: LayerCount) -> str:
    """Return a layer's top channels with their shares as text, a dash without."""
    pairs = zip(layer.channels, layer.shares, strict=False)
    return ", ".join([f"{channel} ({_percent(share)})" for channel, share in pairs]) or "–"


@lru_cache(maxsize=16384)
def _percent(share: float) -> str:
    return percent(share, 0)
