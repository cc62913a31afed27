"""Every input: its picture, maps, predictions, pathway and layers."""

from typing import Any

from onnxpath.report.charts import MOST_LAYERS, layer_chart, vector_chart
from onnxpath.report.data import AttributionMap, Item, Report
from onnxpath.report.parts import feature_bars, token_views
from onnxpath.report.pictures import map_name, shown_name, size_of
from onnxpath.report.section import section
from onnxpath.report.sections.gallery import tags
from onnxpath.report.template import render_template


@section("items", "Inputs", order=50)
def items(report: Report) -> str:
    """One card per input."""
    views = [_view(index, item) for index, item in enumerate(report.items)]
    return render_template("items.html", views=views, most_layers=MOST_LAYERS)


def _view(index: int, item: Item) -> dict[str, Any]:
    return {
        "index": index,
        "item": item,
        "tags": tags(item),
        "size": size_of(item),
        "picture": shown_name(index) if item.shown is not None else None,
        "maps": [_map_view(index, number, item, entry) for number, entry in enumerate(item.maps)],
        "chart": layer_chart(item.pathway.layers) if item.pathway else None,
    }


def _map_view(index: int, number: int, item: Item, entry: AttributionMap) -> dict[str, Any]:
    plane = entry.values is not None and entry.values.ndim == 2
    tokens, bars = token_views(item, entry), feature_bars(item, entry)
    plain = entry.values is not None and not plane and tokens is None and bars is None
    vector = vector_chart(entry.values, entry.limit) if plain and entry.values is not None else None
    picture = map_name(index, number) if plane else None
    return {"facts": entry, "picture": picture, "vector": vector, "tokens": tokens, "bars": bars}
