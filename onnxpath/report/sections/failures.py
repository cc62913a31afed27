"""Inputs that could not be explained, and why."""

from onnxpath.report.data import Report
from onnxpath.report.section import EVERY_PAGE, section
from onnxpath.report.template import render_template


@section("failures", "Inputs that failed", order=60, pages=EVERY_PAGE)
def failures(report: Report) -> str:
    """Inputs that could not be explained, and why."""
    return render_template("failures.html", report=report)
