"""The results over all inputs: cards of numbers and histograms."""

from onnxpath.report.charts import Histogram, histogram
from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.summary import summarise
from onnxpath.report.template import render_template


@section("overview", "Overview", order=20)
def overview(report: Report) -> str:
    """Counts, accuracy, kept predictions, density against sparsity, and how they spread."""
    confidence, densities, margins = (report.figures.known(name) for name in ("confidence", "density", "margin"))
    dense_top = max([0.0, *densities]) * 1.25 or 1.0
    charts = [
        ("Confidence", "softmax of the first prediction", histogram(confidence, 0.0, 1.0)),
        ("Density", "fraction of neurons kept", histogram(densities, 0.0, min(1.0, dense_top))),
        ("Margin", "target logit minus the next, pathway only", _spread(margins)),
    ]
    many = report.figures.count > 1
    return render_template(
        "overview.html", s=summarise(report), report=report, charts=[c for c in charts if c[2] is not None and many]
    )


def _spread(values: list[float]) -> Histogram | None:
    return histogram(values, min(0.0, *values), max(0.0, *values)) if values else None
