"""How a study by retraining was run, so that it can be run again."""

from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template


def render(shown: Retrained) -> str:
    """Command, model, preprocessing, time and versions."""
    return render_template("evaluation/roar_run.html", facts=shown.facts)
