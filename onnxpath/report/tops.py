"""Top channels as a page tells them, in HTML: those of a layer in its row, and those that stand out over all layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from onnxpath.report.data import LayerCount
from onnxpath.report.template import percent

MOST_LEADING = 3


def told(layer: LayerCount) -> str:
    """Return a layer's top channels with their shares, a dash without."""
    pairs = zip(layer.channels, map(_percent, layer.shares), strict=False)
    return ", ".join([f"{channel} ({share})" for channel, share in pairs]) or "–"


def leading(layers: Sequence[LayerCount]) -> Markup:
    """Return the top channels that hold the most of their layers, at most MOST_LEADING, the largest share first."""
    found = sorted((one for one in layers if one.channels and one.shares), key=lambda one: -one.shares[0])
    return Markup(", ").join(
        Markup(f"<code>{escape(one.name)}</code> {one.channels[0]}&nbsp;({_percent(one.shares[0])})")
        for one in found[:MOST_LEADING]
    )


@lru_cache(maxsize=16384)
def _percent(share: float) -> str:
    return str(escape(percent(share, 0)))
