"""The plain data of a page that compares two models or two runs: what compare.json holds, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, lgamma, log
from typing import ClassVar

from onnxpath.batch.comparison import Compared, Comparison, LayerSummary, MapSummary
from onnxpath.report.data import Failure, Item, ModelFacts, RunFacts
from onnxpath.report.spread import interval

MOST_SHOWN = 12
"""Inputs that are shown with pictures: those with changed predictions, then those whose pathways differ most."""

MOST_TURNS = 100
"""Pairs of predictions, one turned into the other, that compare.json holds."""

MOST_NODES = 8
"""Nodes that are proposed to be kept in float."""


@dataclass(frozen=True)
class ClassChange:
    """One label: inputs with it, how many each gets right, and how many right answers are lost and gained."""

    label: int
    inputs: int
    one: int
    other: int
    lost: int
    gained: int


@dataclass(frozen=True)
class Turn:
    """A prediction of the first that becomes another one, and on how many inputs."""

    one: int
    other: int
    inputs: int


@dataclass
class CompareSummary:
    """The comparison in numbers; None where unknown. An output of one entry has no predictions that could agree.

    agreement_low, agreement_high: 95 % interval; accuracy_one, accuracy_other: over the inputs with a label, one_low
    ... other_high: their 95 % intervals; lost: right in the first and wrong in the other; gained: the reverse; chance:
    how often so uneven a split of them comes about where neither is better (McNemar's exact test, two-sided); logits:
    median relative difference of the outputs; first_diverging: the first layer above the threshold; float_nodes: nodes
    of the layers where differences grow most, first those that grow most; density_one, density_other: mean, of the
    matched layers; classes: by label, those that change most first; turns: of changed predictions, most frequent first.
    """

    inputs: int
    agreement: float | None
    agreement_low: float | None
    agreement_high: float | None
    changed: int
    labelled: int
    accuracy_one: float | None
    accuracy_other: float | None
    lost: int
    gained: int
    overlap: float | None
    first_diverging: str | None
    logits: float | None
    maps: list[MapSummary]
    layers: list[LayerSummary]
    float_nodes: list[str]
    one_low: float | None = None
    one_high: float | None = None
    other_low: float | None = None
    other_high: float | None = None
    chance: float | None = None
    density_one: float | None = None
    density_other: float | None = None
    classes: list[ClassChange] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


@dataclass
class ComparePage:
    """Everything that a page of a comparison says.

    one, other: facts of the models; quantised: whether the second alone is; items: inputs shown with their pictures and
    the maps of both; not in the JSON, where all inputs are in `comparison`.
    """

    page: ClassVar[str] = "compare"

    onnxpath: str
    title: str
    one: ModelFacts
    other: ModelFacts
    run: RunFacts
    comparison: Comparison
    summary: CompareSummary
    quantised: bool = False
    classes: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list, metadata={"json": False})
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def class_name(self, label: int | None) -> str:
        """Return a class's name, its index where it has none, n/a for None."""
        if label is None:
            return "n/a"
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)


def summarise_comparison(found: Comparison) -> CompareSummary:
    """Count and average over the inputs of a comparison."""
    judged = [row for row in found.inputs if row.label is not None and row.agree is not None]
    right = [(row.one.prediction == row.label, row.other.prediction == row.label) for row in judged]
    layers, first = found.layers(), found.first_diverging
    logits = sorted(row.logits for row in found.inputs)
    agreed = [row.agree for row in found.inputs if row.agree is not None]
    low, high = interval(sum(agreed), len(agreed))
    lost, gained = sum(a and not b for a, b in right), sum(b and not a for a, b in right)
    one, other = (interval(sum(pair[side] for pair in right), len(right)) for side in (0, 1))
    return CompareSummary(
        inputs=len(found.inputs),
        agreement=found.agreement,
        agreement_low=low,
        agreement_high=high,
        changed=len(found.changed),
        labelled=len(judged),
        accuracy_one=sum(a for a, _ in right) / len(right) if right else None,
        accuracy_other=sum(b for _, b in right) / len(right) if right else None,
        lost=lost,
        gained=gained,
        overlap=found.overlap,
        first_diverging=first.pair.one if first else None,
        logits=logits[len(logits) // 2] if logits else None,
        maps=found.maps(),
        layers=layers,
        float_nodes=float_nodes(layers),
        one_low=one[0],
        one_high=one[1],
        other_low=other[0],
        other_high=other[1],
        chance=mcnemar(lost, gained) if right else None,
        density_one=found.density[0],
        density_other=found.density[1],
        classes=class_changes(judged),
        turns=turns(found),
    )


def mcnemar(lost: int, gained: int) -> float:
    """Return the p-value of McNemar's exact test, two-sided: how far `lost` and `gained` are from equally likely."""
    count, few = lost + gained, min(lost, gained)
    logs = (lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1) - count * log(2) for k in range(few + 1))
    return min(1.0, 2 * sum(map(exp, logs)))


def class_changes(judged: Sequence[Compared]) -> list[ClassChange]:
    """Count right answers by label, the labels with the largest change first."""
    counts: dict[int, list[int]] = {}
    for row in judged:
        assert row.label is not None
        own = counts.setdefault(row.label, [0] * 5)
        a, b = row.one.prediction == row.label, row.other.prediction == row.label
        for place, hit in enumerate((True, a, b, a and not b, b and not a)):
            own[place] += hit
    made = [ClassChange(label, *own) for label, own in counts.items()]
    return sorted(made, key=lambda c: (-abs(c.other - c.one), -(c.lost + c.gained), c.label))


def turns(found: Comparison) -> list[Turn]:
    """Count which predictions became which, the most frequent first."""
    counts = Counter((row.one.prediction, row.other.prediction) for row in found.changed)
    return [Turn(*pair, n) for pair, n in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_TURNS]]


def float_nodes(layers: Sequence[LayerSummary]) -> list[str]:
    """Return the linear nodes before the layers at which differences grow, those that grow most first."""
    growing = sorted((s for s in layers if s.step is not None and s.step > 0), key=lambda s: -(s.step or 0.0))
    return list(dict.fromkeys(node for s in growing for node in s.pair.nodes))[:MOST_NODES]


def to_show(found: Comparison) -> list[Compared]:
    """Return the inputs that are shown with their pictures."""
    agreed = [row for row in found.comparable if row.agree is not False and row.overlap is not None]
    least = sorted(agreed, key=lambda row: row.overlap if row.overlap is not None else 1.0)
    return [*found.changed, *least][:MOST_SHOWN]
