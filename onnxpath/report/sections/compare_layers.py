"""Layer by layer: how far activations differ, and how much the pathways share."""

from collections.abc import Sequence

from onnxpath.batch.comparison import LayerSummary
from onnxpath.report.charts import LayerChart, value_chart
from onnxpath.report.compared import ComparePage
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("compare-layers", "Layer by layer", order=40, pages=("compare",))
def compare_layers(report: ComparePage) -> str:
    """Bars of differences and of overlaps by layer, and both in numbers."""
    layers = report.summary.layers
    return render_template(
        "compare_layers.html",
        report=report,
        layers=layers,
        differences=_chart(
            layers, [s.difference for s in layers], [s.high for s in layers], ("median", "95 % of inputs")
        ),
        overlaps=_chart(layers, [s.overlap for s in layers], None, ("overlap", "")),
    )


def _chart(
    layers: Sequence[LayerSummary],
    values: Sequence[float | None],
    behind: Sequence[float | None] | None,
    words: tuple[str, str],
) -> LayerChart | None:
    if all(value is None for value in values):
        return None
    back = None if behind is None else [value or 0.0 for value in behind]
    return value_chart([s.pair.one for s in layers], [value or 0.0 for value in values], back, words)
