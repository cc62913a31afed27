"""The top of the page of a study by retraining: what was removed, how often the network was trained."""

from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template


def render(shown: Retrained) -> str:
    """Title, numbers of methods, percentages and trainings, and whether the study counts."""
    return render_template("evaluation/roar_header.html", shown=shown, result=shown.result, facts=shown.facts)
