"""What is to be kept in mind about the whole run."""

from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("warnings", "Warnings", order=70)
def warnings(report: Report) -> str:
    """What is to be kept in mind about the whole run."""
    return render_template("warnings.html", report=report)
