"""The top of the page: what was measured, on what."""

from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """The top of the page: what was measured, on what."""
    return render_template("evaluation/header.html", result=scored.result, facts=scored.facts)
