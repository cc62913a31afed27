"""The curves behind the numbers, one chart for each metric and variant."""

from typing import Any

from onnxpath.evaluation.result import Curve, Score
from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template

WIDTH, HEIGHT = 320, 180
COLOURS = 10
"""Methods are told apart by ten colours, over and over; baselines are grey, each dashed in its own way."""


def render(scored: Scored) -> str:
    """One chart for each metric and variant that has curves."""
    charts = [chart for key, scores in scored.result.groups().items() if (chart := _chart(*key, scores))]
    return render_template("evaluation/curves.html", charts=charts, width=WIDTH, height=HEIGHT) if charts else ""


def _chart(metric: str, variant: str, scores: list[Score]) -> dict[str, Any] | None:
    curves = [(score, score.curve) for score in scores if score.curve is not None]
    if not curves:
        return None
    values = [v for score, c in curves for v in ((*c.low, *c.high) if not score.baseline else c.mean)]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    first = curves[0][1]
    left, right = first.at[0], first.at[-1] if first.at[-1] > first.at[0] else first.at[0] + 1
    methods = sorted(score.method for score, _ in curves if not score.baseline)
    plain = sorted(score.method for score, _ in curves if score.baseline)

    def points(at: list[float], heights: list[float]) -> str:
        pairs = zip(at, heights, strict=True)
        return " ".join(
            f"{WIDTH * (x - left) / (right - left):.1f},{HEIGHT * (1 - (y - low) / (high - low)):.1f}" for x, y in pairs
        )

    def line(score: Score, curve: Curve) -> dict[str, Any]:
        place = (plain if score.baseline else methods).index(score.method)
        return {
            "kind": f"baseline dash-{place % 6}" if score.baseline else f"method colour-{place % COLOURS}",
            "title": f"{score.method}: {score.mean:.4f}" if score.rows else score.method,
            "method": score.method,
            "mean": points(curve.at, curve.mean),
            "band": "" if score.baseline else points(curve.at + curve.at[::-1], curve.high + curve.low[::-1]),
        }

    return {
        "title": f"{metric}, {variant}" if variant else metric,
        "along": first.along,
        "names": first.names,
        "low": low,
        "high": high,
        "left": left,
        "right": right,
        "lines": [line(*pair) for pair in reversed(curves)],
    }
