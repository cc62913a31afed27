"""What is to be kept in mind about the whole run."""

from onnxpath.report.data import Report
from onnxpath.report.section import EVERY_PAGE, section
from onnxpath.report.template import render_template


@section("warnings", "Warnings", order=70, pages=EVERY_PAGE)
def warnings(report: Report) -> str:
    """What is to be kept in mind about the whole run."""
    return render_template("warnings.html", report=report)
