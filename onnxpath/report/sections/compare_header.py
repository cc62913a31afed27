"""The top of a comparison: which two models or runs, on what, when."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import in_order, section
from onnxpath.report.template import render_template


@section("compare-header", "Comparison", order=10, pages=("compare",))
def compare_header(report: ComparePage) -> str:
    """Title, the facts that identify both sides, and links."""
    there = {"compare-inputs": bool(report.items), "compare-layers": bool(report.comparison.pairs)}
    there |= {"compare-classes": bool(report.summary.turns)}
    there |= {"compare-changed": report.summary.agreement is not None}
    there |= {"failures": bool(report.failures), "warnings": bool(report.warnings), "compare-header": False}
    links = [(part.name, part.title) for part in in_order(report.page) if there.get(part.name, True)]
    return render_template("compare_header.html", report=report, links=links)
