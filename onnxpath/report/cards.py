"""The card of an input: its pictures, maps, predictions, pathway and layers, drawn from one template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from onnxpath.report.charts import MOST_LAYERS, layer_chart, vector_chart
from onnxpath.report.data import AttributionMap, Item, LayerCount
from onnxpath.report.encode import FINE
from onnxpath.report.parts import feature_bars, token_views
from onnxpath.report.pictures import item_pictures, map_name, shown_name, size_of
from onnxpath.report.template import count, environment, percent
from onnxpath.report.tops import leading, told

ROW = "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"


def card(number: int, item: Item) -> str:
    """Return the card of input `number` as HTML that has its pictures with it, for a data file."""
    pictures = item_pictures(number, item, FINE)
    return (
        environment()
        .get_template("card.html")
        .render(v=card_view(number, item), most_layers=MOST_LAYERS, own_pictures=pictures)
    )


def card_view(number: int, item: Item) -> dict[str, Any]:
    """Return what card.html draws of input `number`; its pictures are those that `item_pictures` names."""
    return {
        "index": number,
        "item": item,
        "size": size_of(item),
        "picture": shown_name(number) if item.shown is not None else None,
        "maps": [_map_view(number, place, item, entry) for place, entry in enumerate(item.maps)],
        "chart": layer_chart(item.pathway.layers) if item.pathway else None,
        "tops": leading(item.pathway.layers) if item.pathway else "",
        "layers": _layer_rows(item.pathway.layers) if item.pathway else "",
    }


def _layer_rows(layers: Sequence[LayerCount]) -> Markup:
    """The rows of the table of layers: numbers for the most part, which a template takes ten times as long to write."""
    cells = (
        (_escaped(one.name), count(one.neurons), count(one.kept), _share(one), count(one.active), told(one))
        for one in layers
    )
    return Markup("\n".join(ROW.format(*row) for row in cells))


@lru_cache(maxsize=4096)
def _escaped(name: str) -> str:
    return str(escape(name))


def _share(layer: LayerCount) -> str:
    return str(escape(percent(layer.kept / layer.neurons))) if layer.neurons else "n/a"


def _map_view(number: int, place: int, item: Item, entry: AttributionMap) -> dict[str, Any]:
    plane = entry.values is not None and entry.values.ndim == 2
    tokens, bars = token_views(item, entry), feature_bars(item, entry)
    plain = entry.values is not None and not plane and tokens is None and bars is None
    vector = vector_chart(entry.values, entry.limit) if plain and entry.values is not None else None
    picture = map_name(number, place) if plane else None
    return {"facts": entry, "picture": picture, "vector": vector, "tokens": tokens, "bars": bars}
