"""Where methods of relevance lost it: the worst nodes by name."""

from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("conservation", "Conservation of relevance", order=55)
def conservation(report: Report) -> str:
    """Where methods of relevance lost it: the worst nodes by name."""
    return render_template("conservation.html", report=report) if report.conservation else ""
