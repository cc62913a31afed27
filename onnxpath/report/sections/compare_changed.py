"""The inputs whose prediction changed."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template

MOST_ROWS = 200
"""Changed inputs that are listed on the page; compare.json holds all."""


@section("compare-changed", "Changed predictions", order=30, pages=("compare",))
def compare_changed(report: ComparePage) -> str:
    """One row per changed prediction, those that the first model was surest of first; "" where none could change."""
    if report.summary.agreement is None:
        return ""
    changed = report.comparison.changed
    places = {item.name: index for index, item in enumerate(report.items)}
    return render_template(
        "compare_changed.html", report=report, rows=changed[:MOST_ROWS], left=len(changed[MOST_ROWS:]), places=places
    )
