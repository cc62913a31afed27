"""Some inputs with their pictures and the maps of both models."""

from typing import Any

from onnxpath.report.charts import vector_chart
from onnxpath.report.compared import ComparePage
from onnxpath.report.data import AttributionMap
from onnxpath.report.pictures import map_name, shown_name, size_of
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("compare-inputs", "Inputs", order=55, pages=("compare",))
def compare_inputs(report: ComparePage) -> str:
    """Changed inputs, then those whose pathways share least."""
    rows = {row.name: row for row in report.comparison.inputs}
    views = [
        {
            "index": index,
            "item": item,
            "row": rows[item.name],
            "size": size_of(item),
            "picture": shown_name(index) if item.shown is not None else None,
            "maps": [_map(index, number, entry) for number, entry in enumerate(item.maps)],
        }
        for index, item in enumerate(report.items)
    ]
    return render_template("compare_inputs.html", report=report, views=views) if views else ""


def _map(index: int, number: int, entry: AttributionMap) -> dict[str, Any]:
    plane = entry.values is not None and entry.values.ndim == 2
    vector = vector_chart(entry.values, entry.limit) if entry.values is not None and not plane else None
    return {"facts": entry, "picture": map_name(index, number) if plane else None, "vector": vector}
