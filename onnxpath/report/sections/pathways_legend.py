"""How to read a page of analyses: what each quantity means."""

from onnxpath.pathway.analyses.layers import Layers
from onnxpath.report.section import section
from onnxpath.report.study import Study
from onnxpath.report.template import render_template


@section("pathways-legend", "How to read this page", order=50, pages=("pathways",))
def pathways_legend(study: Study) -> str:
    """Definitions of the quantities."""
    layers: Layers | None = study.analyses.get("layers")
    changes = layers is not None and all(s.kept_prediction is None for s in layers.selectors)
    return render_template("pathways_legend.html", analyses=study.analyses, changes=changes)
