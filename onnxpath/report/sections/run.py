"""How the results were made, so that they can be made again."""

from onnxpath.report.data import Report
from onnxpath.report.section import EVERY_PAGE, section
from onnxpath.report.template import render_template


@section("run", "Run", order=90, pages=EVERY_PAGE)
def run(report: Report) -> str:
    """How the results were made, so that they can be made again."""
    return render_template("run.html", report=report)
