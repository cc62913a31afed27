"""A compact index of all inputs; a script filters and sorts it. Without one a small run's is there in its order."""

from typing import Any

from onnxpath.report.data import Item, Report
from onnxpath.report.index import index_pieces
from onnxpath.report.pictures import numbered, shown_name, size_of
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("gallery", "Inputs at a glance", order=40)
def gallery(report: Report) -> str:
    """One tile per input that leads to its card; of a large run an empty place for them."""
    inputs = list(numbered(report.items))
    return render_template(
        "gallery.html",
        tiles=[_tile(number, item) for number, item in inputs],
        index="" if report.beside else "".join(index_pieces(inputs)),
        explained=report.figures.count,
    )


def _tile(number: int, item: Item) -> dict[str, Any]:
    return {
        "number": number,
        "name": item.name,
        "class": item.predictions[0].name if item.predictions else "",
        "wrong": item.correct is False,
        "changed": item.pathway is not None and item.pathway.kept is False,
        "warned": bool(item.warnings),
        "size": size_of(item),
        "picture": shown_name(number) if item.shown is not None else None,
    }
