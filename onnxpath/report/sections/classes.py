"""Pathways of classes: what their inputs share, and how classes differ."""

from typing import Any

from onnxpath.pathway.analyses.classes import Classes, SelectorClasses
from onnxpath.report.charts import heat_map, value_chart
from onnxpath.report.section import section
from onnxpath.report.study import Study
from onnxpath.report.template import render_template

MOST_CLASSES = 30
"""More classes than this are left out of the table of classes by classes."""


@section("classes", "Class pathways", order=40, pages=("pathways",))
def classes(study: Study) -> str:
    """Sizes of class pathways, overlap of classes, and where in the network classes differ."""
    result: Classes | None = study.analyses.get("classes")
    if result is None:
        return ""
    return render_template("classes.html", study=study, views=[_view(study, s) for s in result.selectors])


def _view(study: Study, found: SelectorClasses) -> dict[str, Any]:
    names = [study.class_name(c.label) for c in found.classes]
    return {
        "found": found,
        "names": names,
        "matrix": heat_map(names, names, found.matrix) if 1 < len(names) <= MOST_CLASSES else None,
        "chart": value_chart(
            [layer.name for layer in found.layers],
            [layer.between or 0.0 for layer in found.layers],
            [layer.within or 0.0 for layer in found.layers],
            ("between classes", "within"),
        ),
    }
