"""What notebooks show of results: one small piece of HTML each, from the templates and functions of the pages.

To show another kind of result: a function here, registered by its type; whatever has none is shown by its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from types import SimpleNamespace
from typing import Any

from numpy.typing import NDArray

from onnxpath.attribution.attribution import Attribution
from onnxpath.batch.comparison import Comparison
from onnxpath.errors import OnnxPathError
from onnxpath.evaluation.result import Evaluation
from onnxpath.evaluation.roar.result import RoarResult
from onnxpath.files import printable
from onnxpath.pathway.analyses.registry import Result
from onnxpath.pathway.pathway import Pathway
from onnxpath.report import build
from onnxpath.report.charts import MOST_LAYERS, layer_chart, vector_chart
from onnxpath.report.colour import css_gradient, make_map
from onnxpath.report.compared import summarise_comparison
from onnxpath.report.data import AttributionMap
from onnxpath.report.encode import COARSE, map_uri
from onnxpath.report.evaluation.data import Facts, Scored
from onnxpath.report.evaluation.sections.results import tables
from onnxpath.report.job.finish import Reported
from onnxpath.report.section import SECTIONS
from onnxpath.report.sections import load_all
from onnxpath.report.template import TEMPLATES, render_template
from onnxpath.report.tops import leading
from onnxpath.runtime.model import Model
from onnxpath.shown import brief, facts_of

MOST_ROWS = 4
"""Rows of a batch that are shown with their maps."""

MOST_METRICS, MOST_LISTED = 12, 20

CHANNELS = (1, 3, 4)
"""Sizes of an axis by which channels are told from height and width."""


def html_of(value: Any) -> str:
    """Return a result as HTML that stands alone: no script, nothing fetched, every name escaped, size bounded."""
    try:
        body = view(value)
    except OnnxPathError as error:
        body = fields_of(value, str(error))
    style = (TEMPLATES / "shown" / "style.css").read_text(encoding="utf-8")
    return printable(
        render_template("shown/frame.html", kind=type(value).__name__, body=body, style=style, gradient=css_gradient())
    )


def fields_of(value: Any, note: str = "") -> str:
    """Return the fields of a dataclass as a table, arrays as dtype and shape."""
    rows = {name: brief(held) for name, held in facts_of(value).items() if held is not None}
    return render_template("shown/fields.html", rows=rows, note=note)


@singledispatch
def view(value: Any) -> str:
    """Return what is shown of a result, without the frame."""
    return fields_of(value)


@view.register
def _(value: Model) -> str:
    facts = build.model_facts(value)
    layers = len(facts.neuron_layers)
    if layers > MOST_LAYERS:
        facts.neuron_layers = []
        facts.notes.append(f"{layers} neuron layers: see .layers()")
    facts.excluded_layers = facts.excluded_layers[:MOST_LISTED]
    return render_template("model.html", report=SimpleNamespace(model=facts))


@view.register
def _(value: Attribution) -> str:
    count = len(value.target)
    rows = [_row(value, row) for row in range(min(count, MOST_ROWS))]
    return render_template("shown/attribution.html", value=value, options=_told(value.options), rows=rows, count=count)


def _row(value: Attribution, row: int) -> dict[str, Any]:
    delta = None if value.delta is None else float(value.delta[row])
    maps = [_map(name, values[row]) for name, values in value.maps.items()]
    return {"target": int(value.target[row]), "prediction": int(value.prediction[row]), "delta": delta, "maps": maps}


def _map(name: str, values: NDArray[Any]) -> dict[str, Any]:
    shown: AttributionMap = make_map(name, values, _channels(values.shape))
    assert shown.values is not None
    plane = shown.values.ndim == 2
    return {
        "facts": shown,
        "picture": map_uri(shown.values, shown.limit, COARSE) if plane else None,
        "width": shown.values.shape[-1],
        "vector": None if plane else vector_chart(shown.values, shown.limit),
    }


def _channels(shape: tuple[int, ...]) -> int | None:
    """Return the channel axis of a row: of three axes the last where it alone has the size of one, else the first."""
    if len(shape) != 3:
        return None
    return 2 if shape[2] in CHANNELS and shape[0] not in CHANNELS else 0


@view.register
def _(value: Pathway) -> str:
    facts = build.pathway_facts(value, [])
    return render_template(
        "shown/pathway.html", w=facts, scope=value.scope, chart=layer_chart(facts.layers), tops=leading(facts.layers)
    )


@view.register
def _(value: Evaluation) -> str:
    found = tables(Scored(value, Facts("")))
    notes = [*value.skipped, *value.notes]
    return render_template(
        "shown/evaluation.html", value=value, tables=found[:MOST_METRICS], left=len(found[MOST_METRICS:]), notes=notes
    )


@view.register
def _(value: RoarResult) -> str:
    return render_template("shown/roar.html", result=value, best=None)


@view.register
def _(value: Comparison) -> str:
    summary = summarise_comparison(value)
    known = [s for s in summary.layers if s.difference is not None]
    largest = max(known, key=lambda s: s.difference or 0.0, default=None)
    changed = value.changed
    return render_template(
        "shown/comparison.html",
        found=value,
        s=summary,
        largest=largest,
        changed=changed[:MOST_LISTED],
        left=len(changed[MOST_LISTED:]),
    )


@view.register
def _(value: Reported) -> str:
    return render_template("shown/reported.html", value=value, most=MOST_LISTED)


@view.register
def _(value: Result) -> str:
    """Analyses of pathways are drawn by the sections of their page, which bear their names."""
    load_all()
    name = NAMES.get(type(value).__name__)
    if name is None:
        return fields_of(value)
    study = SimpleNamespace(analyses={name: value}, files=[], class_name=str)
    return SECTIONS.get(name).render(study)


NAMES = {"Layers": "layers", "SelectorOverlap": "overlap", "Classes": "classes"}
"""Result of an analysis -> the section that draws it."""


def _told(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {brief(value)}" for name, value in options.items())
