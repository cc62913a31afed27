"""What an evaluation returns: scores with intervals and verdicts, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from onnxpath.evaluation.bootstrap import CONFIDENCE
from onnxpath.shown import Shown

SCHEMA = 1

BEST, BEHIND, UNDECIDED, BETTER, WORSE = "best", "behind", "undecided", "better", "worse"


@dataclass(frozen=True)
class Curve:
    """Mean over rows at each place, with the ends of its interval; names: of single places, where they have names."""

    at: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]
    along: str
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Score:
    """One method on one variant of one metric.

    better: "lower" | "higher" | ""; mean, low, high: over rows, with its 95 % interval; rows: how many had a value;
    values: one per row, None where a row has none; against_best: "best" | "undecided" | "behind" among the methods;
    against_baseline: "better" | "undecided" | "worse" than the best baseline, which `baseline_named` names; both are ""
    for baselines and for metrics that do not judge; seconds: without attribution.
    """

    metric: str
    variant: str
    method: str
    baseline: bool
    better: str
    mean: float
    low: float
    high: float
    rows: int
    values: list[float | None]
    options: Mapping[str, Any]
    seconds: float
    curve: Curve | None = None
    against_best: str = ""
    against_baseline: str = ""
    baseline_named: str = ""


COLUMNS = (
    *("metric", "variant", "method", "baseline", "better", "mean", "low", "high", "rows"),
    *("against_best", "against_baseline", "baseline_named", "seconds"),
)
"""Of the CSV; curves and values of single rows are in the JSON."""


@dataclass(frozen=True, repr=False)
class Evaluation(Shown):
    """All scores of a run.

    rows: of the data; seed: of all that was drawn; samples: of the bootstrap; attribution_seconds: by method; skipped:
    what could not be run, and why; notes: what the reader should know.
    """

    scores: list[Score]
    rows: int
    seed: int
    samples: int
    attribution_seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def groups(self) -> dict[tuple[str, str], list[Score]]:
        """Return the scores by metric and variant, methods from best to worst and then the baselines."""
        found: dict[tuple[str, str], list[Score]] = {}
        for score in self.scores:
            found.setdefault((score.metric, score.variant), []).append(score)
        return {key: sorted(scores, key=_place) for key, scores in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, text and numbers; what is not finite is None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return {"schema": SCHEMA, "confidence": CONFIDENCE, **plain}

    def to_json(self) -> str:
        """Return everything as JSON text."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Return one line per score, with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for scores in self.groups().values():
            writer.writerows([_plain(getattr(score, column)) for column in COLUMNS] for score in scores)
        return text.getvalue()

    def to_text(self) -> str:
        """Return a table for a terminal."""
        lines = []
        for (metric, variant), scores in self.groups().items():
            better = f" ({scores[0].better} is better)" if scores[0].better else ""
            lines += [f"{metric}, {variant}{better}" if variant else f"{metric}{better}"]
            width = max(len(score.method) for score in scores)
            lines += [f"  {score.method:<{width}}  {spelled(score)}" for score in scores]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_text()


def spelled(score: Score) -> str:
    """Return mean, interval and verdicts of a score as one line."""
    if not score.rows:
        return "n/a: no row has a value"
    return f"{score.mean:9.3g}  [{score.low:.3g}, {score.high:.3g}]  {verdict(score)}".rstrip()


def verdict(score: Score) -> str:
    """Return what a score says about its method, in words."""
    if score.baseline:
        return "baseline"
    against = {BEST: "best", UNDECIDED: "undecided against the best", BEHIND: "", "": ""}[score.against_best]
    named = score.baseline_named
    beside = {
        BETTER: "",
        UNDECIDED: f"undecided against baseline {named}",
        WORSE: f"worse than baseline {named}",
        "": "",
    }[score.against_baseline]
    return ", ".join(part for part in (against, beside) if part)


def _place(score: Score) -> tuple[bool, float]:
    mean = score.mean if math.isfinite(score.mean) else math.inf
    return score.baseline, -mean if score.better == "higher" else mean


def values_of(score: Score) -> np.ndarray[Any, Any]:
    """Return a score's values as float64 with NaN."""
    return np.asarray([math.nan if value is None else value for value in score.values], np.float64)


def as_values(values: Sequence[float] | np.ndarray[Any, Any]) -> list[float | None]:
    """Return values as a list with None for NaN and infinities."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
