"""Every input: its picture, maps, predictions, pathway and layers; and the view of one input by itself."""

from onnxpath.report.cards import card_view
from onnxpath.report.charts import MOST_LAYERS
from onnxpath.report.data import Report
from onnxpath.report.pictures import numbered
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("items", "Inputs", order=50)
def items(report: Report) -> str:
    """One card per input; none of a large run, whose cards are in data files."""
    views = [card_view(number, item) for number, item in numbered(report.items)]
    return render_template("items.html", views=views, beside=report.beside, most_layers=MOST_LAYERS, own_pictures=[])
