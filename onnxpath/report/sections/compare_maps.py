"""How alike the attribution maps are."""

from onnxpath.report.charts import histogram
from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.spread import Spread
from onnxpath.report.template import render_template


@section("compare-maps", "Attribution maps", order=50, pages=("compare",))
def compare_maps(report: ComparePage) -> str:
    """Cosine and rank correlation by method, and how the cosines spread."""
    rows = report.comparison.comparable
    charts = []
    for summary in report.summary.maps:
        values = [row.maps[summary.method].cosine for row in rows if summary.method in row.maps]
        spread = Spread([value for value in values if value is not None])
        charts.append((summary.method, "cosine of the two maps", histogram(spread)))
    many = len(rows) > 1
    return render_template(
        "compare_maps.html", maps=report.summary.maps, charts=[c for c in charts if c[2] is not None and many]
    )
