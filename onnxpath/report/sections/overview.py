"""The results over all inputs: cards of numbers and histograms."""

from onnxpath.report.charts import histogram
from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.summary import summarise
from onnxpath.report.template import render_template

CHARTS = {
    "confidence": ("Confidence", "softmax of the first prediction", (0.0, 1.0)),
    "output": ("Output", "whole network", (None, None)),
    "output_alone": ("Output", "pathway only", (None, None)),
    "density": ("Density", "fraction of neurons kept", (None, None)),
    "base_sparsity": ("Base sparsity", "fraction of neurons that are inactive", (None, None)),
    "dead_fraction": ("Dead fraction", "inactive among the kept neurons", (None, None)),
    "margin": ("Margin", "target logit minus the next, pathway only", (None, None)),
}
"""Quantity -> title, what it is, and the range that its histogram shows, default that of the inputs."""


@section("overview", "Overview", order=20)
def overview(report: Report) -> str:
    """Counts, accuracy, kept predictions, density against sparsity, and how they spread where they differ."""
    spreads = report.figures.spreads
    charts = [
        (title, note, histogram(spreads[name], *ends))
        for name, (title, note, ends) in CHARTS.items()
        if spreads[name].low < spreads[name].high
    ]
    return render_template("overview.html", s=summarise(report), report=report, charts=charts)
