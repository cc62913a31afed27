"""The top of the page: what was explained, by what, when."""

from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("header", "Report", order=10)
def header(report: Report) -> str:
    """Title and the facts that identify model and run."""
    return render_template("header.html", report=report)
