"""The curves behind the numbers, one chart for each metric and variant."""

from typing import Any

from onnxpath.evaluation.result import Curve, Score
from onnxpath.report.evaluation.data import Scored
from onnxpath.report.evaluation.lines import Line, line_chart
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """One chart for each metric and variant that has curves."""
    charts = [chart for key, scores in scored.result.groups().items() if (chart := _chart(*key, scores))]
    return render_template("evaluation/curves.html", charts=charts) if charts else ""


def _chart(metric: str, variant: str, scores: list[Score]) -> dict[str, Any] | None:
    curves = [(score, score.curve) for score in scores if score.curve is not None]
    if not curves:
        return None
    first = curves[0][1]
    title = f"{metric}, {variant}" if variant else metric
    return line_chart(title, first.along, [_line(*pair) for pair in curves], first.names)


def _line(score: Score, curve: Curve) -> Line:
    title = f"{score.method}: {score.mean:.4f}" if score.rows else score.method
    return Line(score.method, score.baseline, curve.at, curve.mean, curve.low, curve.high, title)
