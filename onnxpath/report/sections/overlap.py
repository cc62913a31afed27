"""How much the pathways of the selectors overlap."""

from onnxpath.pathway.analyses.overlap import Overlap, SelectorOverlap
from onnxpath.report.charts import heat_map
from onnxpath.report.section import section
from onnxpath.report.study import Study
from onnxpath.report.template import percent, render_template


@section("overlap", "Overlap of selectors", order=30, pages=("pathways",))
def overlap(study: Study) -> str:
    """Jaccard index of every two selectors, pooled and by layer, with that of independent choices beside it."""
    result: SelectorOverlap | None = study.analyses.get("overlap")
    if result is None:
        return ""
    names, pairs = result.selectors, result.pairs
    pooled = [[None if a == b else result.pair(a, b).pooled for b in names] for a in names]
    columns = [f"{p.one} – {p.other}" for p in pairs]
    by_layer = [[p.by_layer[index] for p in pairs] for index in range(len(result.layers))]
    return render_template(
        "overlap.html",
        inputs=result.inputs,
        selectors=names,
        pooled=heat_map(
            names,
            names,
            [[1.0 if o is None else o.jaccard for o in row] for row in pooled],
            [["" if o is None else _independent(o) for o in row] for row in pooled],
            top=1.0,
        ),
        layers=heat_map(
            result.layers,
            columns,
            [[o.jaccard for o in row] for row in by_layer],
            [[_independent(o) for o in row] for row in by_layer],
            top=1.0,
        ),
    )


def _independent(found: Overlap) -> str:
    return "" if found.independent is None else f"independent {percent(found.independent)}"
