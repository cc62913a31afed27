"""The top of a page of analyses: which pathways, of which model, on how many inputs."""

from onnxpath.report.section import in_order, section
from onnxpath.report.study import Study
from onnxpath.report.template import render_template


@section("pathways-header", "Pathways", order=10, pages=("pathways",))
def pathways_header(study: Study) -> str:
    """Title, the facts that identify model and run, and links to the analyses."""
    links = [(part.name, part.title) for part in in_order(study.page) if part.name in study.analyses]
    return render_template("pathways_header.html", report=study, links=links)
