"""Methods and baselines by how much was removed, with intervals and verdicts."""

from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template


def render(shown: Retrained) -> str:
    """One table; nothing before the first point."""
    result = shown.result
    best = next((row.method for row in result.rows if not row.baseline and row.seeds), None)
    return render_template("evaluation/roar_results.html", result=result, best=best) if result.rows else ""
