"""The numbers over all inputs of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from onnxpath.report.data import Report


@dataclass(frozen=True)
class Summary:
    """Counts and means over all inputs; None where no input has the quantity."""

    inputs: int
    explained: int
    failed: int
    labelled: int
    correct: int
    accuracy: float | None
    pathways: int
    kept: int
    kept_fraction: float | None
    sparsity: float | None
    mean_density: float | None
    mean_base_sparsity: float | None
    mean_dead_fraction: float | None
    mean_margin: float | None


def summarise(report: Report) -> Summary:
    """Count and average over the items of a report."""
    judged = [item.correct for item in report.items if item.correct is not None]
    paths = [item.pathway for item in report.items if item.pathway is not None]
    kept = sum(path.kept for path in paths)
    return Summary(
        inputs=len(report.items) + len(report.failures),
        explained=len(report.items),
        failed=len(report.failures),
        labelled=len(judged),
        correct=sum(judged),
        accuracy=sum(judged) / len(judged) if judged else None,
        pathways=len(paths),
        kept=kept,
        kept_fraction=kept / len(paths) if paths else None,
        sparsity=report.run.sparsity,
        mean_density=_mean(path.density for path in paths),
        mean_base_sparsity=_mean(path.base_sparsity for path in paths),
        mean_dead_fraction=_mean(path.dead_fraction for path in paths),
        mean_margin=_mean(path.margin for path in paths),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
