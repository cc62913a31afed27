"""Inputs that stand out, each with a link to its place on the page."""

from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.strange import KINDS, Strange
from onnxpath.report.template import render_template


@section("worth-a-look", "Worth a look", order=28)
def worth_a_look(report: Report) -> str:
    """A few inputs of each strange kind: mistakes, changed predictions, small margins, odd densities, slow ones."""
    found = strange_inputs(report)
    return (
        render_template("worth_a_look.html", lists=[(KINDS[name], rows) for name, rows in found.items()])
        if found
        else ""
    )


def strange_inputs(report: Report) -> dict[str, list[Strange]]:
    """Return kind -> inputs, as they are shown; nothing of a single input, which has nothing to stand out from."""
    return report.figures.strangest.found(report.figures.spreads) if report.figures.count > 1 else {}
