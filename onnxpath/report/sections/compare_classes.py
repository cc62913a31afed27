"""Where right answers were lost and gained, by class, and which predictions became which."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template

MOST_ROWS = 15


@section("compare-classes", "By class", order=35, pages=("compare",))
def compare_classes(report: ComparePage) -> str:
    """The classes whose accuracy changes most, and the most frequent turns; "" where no prediction changes."""
    summary = report.summary
    if not summary.turns:
        return ""
    changed = [c for c in summary.classes if c.lost or c.gained]
    return render_template(
        "compare_classes.html",
        report=report,
        classes=changed[:MOST_ROWS],
        same=len(summary.classes) - len(changed),
        left=len(changed[MOST_ROWS:]),
        turns=summary.turns[:MOST_ROWS],
    )
