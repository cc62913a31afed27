"""How to read a comparison: what each quantity means."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("compare-legend", "How to read this page", order=58, pages=("compare",))
def compare_legend(report: ComparePage) -> str:
    """Definitions of the quantities."""
    return render_template("compare_legend.html", threshold=report.comparison.threshold)
