"""A compact index of all inputs, with filters that need no script."""

from typing import Any

from onnxpath.report.data import Item, Report
from onnxpath.report.pictures import shown_name, size_of
from onnxpath.report.section import section
from onnxpath.report.template import render_template

# Filter -> its label; an input has a filter's tag when it belongs to it.
FILTERS = {"kept": "prediction kept", "changed": "prediction changed", "wrong": "wrong", "warned": "with warnings"}


def tags(item: Item) -> list[str]:
    """Return the filters that an input belongs to."""
    path = item.pathway
    belongs = {
        "kept": path is not None and path.kept,
        "changed": path is not None and not path.kept,
        "wrong": item.correct is False,
        "warned": bool(item.warnings),
    }
    return [name for name in FILTERS if belongs[name]]


@section("gallery", "Inputs at a glance", order=40)
def gallery(report: Report) -> str:
    """One tile per input that leads to its place on the page."""
    tiles: list[dict[str, Any]] = [
        {
            "index": index,
            "item": item,
            "tags": tags(item),
            "size": size_of(item),
            "picture": shown_name(index) if item.shown is not None else None,
        }
        for index, item in enumerate(report.items)
    ]
    counts = [(name, label, sum(name in tile["tags"] for tile in tiles)) for name, label in FILTERS.items()]
    filters = [entry for entry in counts if entry[2]]
    return render_template("gallery.html", tiles=tiles, filters=filters, explained=report.figures.count)
