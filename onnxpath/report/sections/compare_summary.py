"""The comparison in numbers, and what to look at first."""

from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template

MOST_NAMES = 200
"""Inputs of one run alone that the page names."""


@section("compare-summary", "Overview", order=20, pages=("compare",))
def compare_summary(report: ComparePage) -> str:
    """Cards of numbers; then findings in words, with what can be done."""
    summary, found = report.summary, report.comparison
    known = [s for s in summary.layers if s.difference is not None]
    first = next((s for s in known if s.pair.one == summary.first_diverging), None)
    return render_template(
        "compare_summary.html",
        report=report,
        s=summary,
        found=found,
        first=first,
        largest=max(known, key=lambda s: s.difference or 0.0, default=None),
        most_names=MOST_NAMES,
        behind=sum((s.difference or 0.0) > found.threshold for s in known),
    )
