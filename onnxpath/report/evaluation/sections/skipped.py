"""What could not be measured, and why."""

from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """What could not be measured, and why; nothing where all was."""
    lines = [*scored.result.skipped, *scored.result.notes, *scored.facts.warnings]
    return render_template("evaluation/skipped.html", lines=lines) if lines else ""
