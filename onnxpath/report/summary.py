"""The numbers over all inputs of a report."""

from __future__ import annotations

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
    """Count and average over all inputs of a report."""
    figures = report.figures
    judged, kept = figures.known("correct"), figures.known("kept")
    return Summary(
        inputs=figures.count + len(report.failures),
        explained=figures.count,
        failed=len(report.failures),
        labelled=len(judged),
        correct=int(sum(judged)),
        accuracy=_mean(judged),
        pathways=len(kept),
        kept=int(sum(kept)),
        kept_fraction=_mean(kept),
        sparsity=report.run.sparsity,
        mean_density=_mean(figures.known("density")),
        mean_base_sparsity=_mean(figures.known("base_sparsity")),
        mean_dead_fraction=_mean(figures.known("dead_fraction")),
        mean_margin=_mean(figures.known("margin")),
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
