"""What the numbers and words of a study by retraining mean."""

from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template


def render(shown: Retrained) -> str:
    """What the numbers and words mean."""
    return render_template("evaluation/roar_reading.html", result=shown.result)
