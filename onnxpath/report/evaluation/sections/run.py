"""How the results were made, so that they can be made again."""

from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """How the results were made, so that they can be made again."""
    return render_template("evaluation/run.html", result=scored.result, facts=scored.facts)
