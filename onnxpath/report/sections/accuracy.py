"""How often the model is right: by class, by confidence, and what it takes for what."""

from collections.abc import Sequence

from onnxpath.report.charts import histogram
from onnxpath.report.confusion import ClassAccuracy, Confusion
from onnxpath.report.data import Report
from onnxpath.report.section import section
from onnxpath.report.spread import Spread
from onnxpath.report.summary import summarise
from onnxpath.report.template import render_template

MOST_CLASSES = 20
"""Of more classes than this, the worst are listed, and pairs of confused classes take the matrix's place."""

MOST_PAIRS = 15


@section("accuracy", "Accuracy", order=22)
def accuracy(report: Report) -> str:
    """Accuracy by class, a matrix or list of confusions, and how far confidence can be trusted; "" without labels."""
    summary = summarise(report)
    if not summary.labelled:
        return ""
    judged = [c for c in summary.classes if c.inputs]
    few = len(summary.classes) <= MOST_CLASSES
    return render_template(
        "accuracy.html",
        s=summary,
        judged=judged,
        shown=judged if few else worst(judged)[:MOST_CLASSES],
        rest=[] if few else judged,
        usual={c.label: c for c in reversed(report.figures.confusion.confused(len(report.figures.confusion.pairs)))},
        matrix=matrix(report.figures.confusion, summary.classes) if few and len(summary.classes) > 1 else None,
        confusions=summary.confusions[:MOST_PAIRS],
        pairs=sum(label != said for label, said in report.figures.confusion.pairs),
        spread=None if few else histogram(_spread(judged), 0.0, 1.0, "class"),
    )


def worst(classes: Sequence[ClassAccuracy]) -> list[ClassAccuracy]:
    """Return classes by accuracy, worst first; of equal ones those with more inputs."""
    return sorted(classes, key=lambda c: (c.accuracy, -c.inputs, c.index))


Row = tuple[ClassAccuracy, list[tuple[int, float]]]
"""A label, and for each prediction how many inputs were taken for it and their share of the label's."""


def matrix(confusion: Confusion, classes: Sequence[ClassAccuracy]) -> list[Row]:
    """Return a row for each label, in the order of `classes` as its columns are."""
    return [
        (c, [(n, n / c.inputs if c.inputs else 0.0) for n in (confusion.pairs[c.index, p.index] for p in classes)])
        for c in classes
    ]


def _spread(classes: Sequence[ClassAccuracy]) -> Spread:
    return Spread([c.accuracy for c in classes if c.accuracy is not None])
