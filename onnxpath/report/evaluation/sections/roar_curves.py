"""Accuracy after retraining against the fraction removed, for each method and baseline."""

from onnxpath.evaluation.roar.result import Row
from onnxpath.report.evaluation.lines import Line, line_chart
from onnxpath.report.evaluation.roar import Retrained
from onnxpath.report.template import render_template


def render(shown: Retrained) -> str:
    """One chart; nothing before the first point."""
    if not shown.result.rows:
        return ""
    chart = line_chart("Test accuracy", "% of the positions removed", [_line(shown, row) for row in shown.result.rows])
    return render_template("evaluation/roar_curves.html", chart=chart)


def _line(shown: Retrained, row: Row) -> Line:
    result = shown.result
    at, mean = sorted(row.means), [row.means[q] for q in sorted(row.means)]
    ends = [result.interval(row.method, q) for q in at]
    if result.clean == result.clean:  # a number
        at, mean, ends = [0.0, *at], [result.clean, *mean], [result.clean_interval(), *ends]
    known = all(low == low for low, _ in ends)
    low, high = ([low for low, _ in ends], [high for _, high in ends]) if known else ([], [])
    return Line(row.method, row.baseline, at, mean, low, high, f"{row.method}: area {row.area:.4f}")
