"""The top of the page: what was explained, by what, when."""

from onnxpath.report.data import Report
from onnxpath.report.section import SECTIONS, section
from onnxpath.report.sections.worth_a_look import strange_inputs
from onnxpath.report.template import render_template


@section("header", "Report", order=10)
def header(report: Report) -> str:
    """Title and the facts that identify model and run."""
    there = {
        "accuracy": bool(report.figures.confusion.inputs),
        "class-overlap": report.class_overlap is not None,
        "worth-a-look": bool(strange_inputs(report)),
    }
    links = [(name, SECTIONS.get(name).title) for name, known in there.items() if known]
    return render_template("header.html", report=report, links=links)
