"""How much the pathways of classes overlap."""

from onnxpath.report.charts import heat_map
from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("class-overlap", "Overlap of classes", order=26)
def class_overlap(report: Report) -> str:
    """Classes by classes, mean Jaccard index of the pathways of two inputs; "" without pathways of two classes."""
    found = report.class_overlap
    if found is None:
        return ""
    # Overlaps of classes are close to each other: from zero on all would have one colour.
    low = min((value for row in found.matrix for value in row if value is not None), default=0.0)
    table = heat_map(found.classes, found.classes, found.matrix, low=low)
    return render_template("class_overlap.html", found=found, table=table)
