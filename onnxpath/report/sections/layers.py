"""What each selector keeps in each layer, and how much of it is dead."""

from onnxpath.pathway.analyses.layers import Layers, SelectorRates
from onnxpath.report.charts import LayerChart, heat_map, value_chart
from onnxpath.report.section import section
from onnxpath.report.study import Study
from onnxpath.report.template import render_template


@section("layers", "What is kept", order=20, pages=("pathways",))
def layers(study: Study) -> str:
    """Selectors in numbers, keep rates as bars, and both rates in tables of layers by selectors."""
    result: Layers | None = study.analyses.get("layers")
    if result is None:
        return ""
    names = [s.selector for s in result.selectors]
    rows = [layer.name for layer in result.selectors[0].layers]
    by_layer = list(zip(*(s.layers for s in result.selectors), strict=True))
    dead = [[rate.dead for rate in rates] for rates in by_layer]
    return render_template(
        "layers.html",
        selectors=[(s, _chart(s)) for s in result.selectors],
        kept_predictions=any(s.kept_prediction is not None for s in result.selectors),
        changes=any(s.change is not None for s in result.selectors),
        kept=heat_map(rows, names, [[rate.kept for rate in rates] for rates in by_layer]),
        dead=heat_map(rows, names, dead, top=1.0) if any(v is not None for row in dead for v in row) else None,
    )


def _chart(rates: SelectorRates) -> LayerChart | None:
    active = [layer.active for layer in rates.layers if layer.active is not None]
    behind = active if len(active) == len(rates.layers) else None
    return value_chart([r.name for r in rates.layers], [r.kept for r in rates.layers], behind, ("kept", "active"))
