"""The numbers over all inputs of a report."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnxpath.report.confusion import ClassAccuracy, Confused, Reliability
from onnxpath.report.data import Report
from onnxpath.report.spread import interval

MOST_CONFUSED = 100
"""Pairs of confused classes that report.json holds."""


@dataclass(frozen=True)
class Summary:
    """Counts and means over all inputs; None where no input has the quantity.

    accuracy_low, accuracy_high: its 95 % interval (Wilson); calibration_error: mean distance of confidence and
    accuracy; overconfidence: mean confidence minus accuracy; classes: with a label or a prediction, in order;
    confusions: most frequent first; reliability: by confidence. Where the output has one entry no prediction can
    change, and instead of kept there are mean_output, mean_output_alone: of the whole network and of the pathways
    alone, and output_change: the mean distance of both over the mean size of the output.
    """

    inputs: int
    explained: int
    failed: int
    labelled: int
    correct: int
    accuracy: float | None
    pathways: int
    kept: int | None
    kept_fraction: float | None
    sparsity: float | None
    mean_density: float | None
    mean_base_sparsity: float | None
    mean_dead_fraction: float | None
    mean_margin: float | None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    kept_low: float | None = None
    kept_high: float | None = None
    mean_confidence: float | None = None
    calibration_error: float | None = None
    overconfidence: float | None = None
    classes: list[ClassAccuracy] = field(default_factory=list)
    confusions: list[Confused] = field(default_factory=list)
    reliability: list[Reliability] = field(default_factory=list)
    mean_output: float | None = None
    mean_output_alone: float | None = None
    output_change: float | None = None


def summarise(report: Report) -> Summary:
    """Count and average over all inputs of a report."""
    figures, spreads = report.figures, report.figures.spreads
    confusion, calibration, kept = figures.confusion, figures.calibration, spreads["kept"]
    right = interval(confusion.correct, confusion.inputs)
    held = interval(int(kept.total), kept.count)
    size = spreads["output_size"].total or None
    return Summary(
        inputs=figures.count + len(report.failures),
        explained=figures.count,
        failed=len(report.failures),
        labelled=confusion.inputs,
        correct=confusion.correct,
        accuracy=confusion.correct / confusion.inputs if confusion.inputs else None,
        pathways=spreads["density"].count,
        kept=int(kept.total) if kept.count else None,
        kept_fraction=kept.mean,
        sparsity=report.run.sparsity,
        mean_density=spreads["density"].mean,
        mean_base_sparsity=spreads["base_sparsity"].mean,
        mean_dead_fraction=spreads["dead_fraction"].mean,
        mean_margin=spreads["margin"].mean,
        accuracy_low=right[0],
        accuracy_high=right[1],
        kept_low=held[0],
        kept_high=held[1],
        mean_confidence=spreads["confidence"].mean,
        calibration_error=calibration.error,
        overconfidence=calibration.excess,
        classes=confusion.classes(),
        confusions=confusion.confused(MOST_CONFUSED),
        reliability=calibration.bins(),
        mean_output=spreads["output"].mean,
        mean_output_alone=spreads["output_alone"].mean,
        output_change=size and spreads["moved"].total / size,
    )
