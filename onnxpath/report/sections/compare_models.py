"""The two model files side by side."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("compare-models", "Models", order=80, pages=("compare",))
def compare_models(report: ComparePage) -> str:
    """File, format, size, inputs and outputs of both, and how they were compared."""
    return render_template("compare_models.html", report=report, sides=[report.one, report.other])
