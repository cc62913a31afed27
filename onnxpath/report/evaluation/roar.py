"""One self-contained HTML page of a study by retraining, its data and a CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onnxpath.evaluation.roar.result import RoarResult
from onnxpath.report.evaluation.data import Facts
from onnxpath.report.evaluation.page import whole_page, write_page

NAME = "roar"

SECTIONS = {
    "header": "Retraining",
    "results": "Results",
    "curves": "Accuracy",
    "reading": "How to read this page",
    "training": "Training",
    "run": "Run",
}
"""As of the evaluation's page; files in sections/ begin with "roar_"."""


@dataclass(frozen=True)
class Retrained:
    """A study's result with its facts. train, test: rows; positions: of a row; 0 where unknown."""

    result: RoarResult
    facts: Facts
    train: int = 0
    test: int = 0
    positions: int = 0


def render(shown: Retrained) -> str:
    """Return the page as HTML text; works for an unfinished study and for one without any point."""
    title = f"{str(shown.result.about.get('kind', NAME)).upper()} of {shown.facts.model}"
    return whole_page(title, SECTIONS, "roar_", shown, shown.facts, (f"{NAME}.json", f"{NAME}.csv"))


def write_roar(folder: Path, shown: Retrained) -> Path:
    """Write roar.html, roar.json and roar.csv, and return the page's path. Raises JobError."""
    result = shown.result
    return write_page(folder, result.as_dict(), result.to_csv(), render(shown), shown.facts, NAME)
