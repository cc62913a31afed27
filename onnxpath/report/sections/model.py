"""The model file: inputs, outputs, neuron layers and what was left out."""

from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("model", "Model", order=80, pages=("report", "pathways"))
def model(report: Report) -> str:
    """The model file: inputs, outputs, neuron layers and what was left out."""
    return render_template("model.html", report=report)
