"""What the numbers and words mean."""

from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """What the numbers and words mean."""
    return render_template("evaluation/reading.html", result=scored.result, facts=scored.facts)
