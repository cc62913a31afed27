"""What a study by retraining found: accuracies, areas, and which differences are decided."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onnxpath.evaluation.result import BETTER, UNDECIDED, WORSE
from onnxpath.shown import Shown

CLEAN = "clean"
"""Stands for a method where nothing is removed."""

STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t distribution for 1, 2, ... degrees of freedom; beyond them the last one is used."""


@dataclass(frozen=True)
class Point:
    """One training.

    accuracy: on the test rows, 0 to 1; epoch: whose weights were judged; loss: of the last epoch; seconds: of training.
    """

    method: str
    percent: float
    seed: int
    accuracy: float
    epoch: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """One method or baseline over its seeds.

    means, deviations: of the accuracy by percentage, the deviation NaN with one seed; area: mean over the seeds of the
    area under accuracy over 0 to the last percentage / 100, by the trapezoid rule, from the clean network's accuracy at
    0, NaN where a point is missing; seeds: that have all points; verdict: "better" | "undecided" | "worse" than the
    random baseline in area, by the 95 % t interval of the difference seed by seed, "" where there is none.
    """

    method: str
    baseline: bool
    means: dict[float, float]
    deviations: dict[float, float]
    area: float
    area_deviation: float
    seeds: int
    verdict: str = ""


@dataclass(frozen=True, repr=False)
class RoarResult(Shown):
    """A table of methods. clean: mean accuracy of the clean networks; least: what it must reach; about: settings."""

    rows: list[Row]
    clean: float
    clean_deviation: float
    least: float
    about: Mapping[str, Any]
    points: list[Point]

    @property
    def counts(self) -> bool:
        """True where the clean networks are good enough for the numbers to mean something."""
        return self.clean >= self.least

    @property
    def percents(self) -> list[float]:
        """All percentages that some point has."""
        return sorted({p.percent for p in self.points if p.method != CLEAN})

    def interval(self, method: str, percent: float) -> tuple[float, float]:
        """Return the ends of the 95 % t interval of the mean accuracy over seeds, NaN for fewer than two seeds."""
        values = [p.accuracy for p in self.points if (p.method, p.percent) == (method, percent)]
        mean, reach = (float(np.mean(values)) if values else math.nan), half_width(values)
        return mean - reach, mean + reach

    def clean_interval(self) -> tuple[float, float]:
        """Return the same of the clean networks."""
        return self.interval(CLEAN, 0.0)

    def to_text(self) -> str:
        """Return the table for a terminal or a Markdown page, accuracies in percent."""
        head = ["method", *(f"{q:g} %" for q in self.percents), "area", "seeds", "against random"]
        lines = [head, ["---"] * len(head)]
        for row in self.rows:
            cells = [_spread(row.means.get(q), row.deviations.get(q), 100, 1) for q in self.percents]
            name = f"*{row.method}*" if row.baseline else row.method
            lines.append([name, *cells, _spread(row.area, row.area_deviation, 1, 4), str(row.seeds), row.verdict])
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        kept = self.about.get("kept")
        note = f"\n\nnot trained, as in the file: {', '.join(kept)}" if kept else ""
        return f"{self.verdict()}\n\n{table}{note}"

    def verdict(self) -> str:
        """Return what is to be said of the clean networks."""
        said = f"clean accuracy {_spread(self.clean, self.clean_deviation, 100, 1)} %"
        if math.isnan(self.clean):
            return "no clean network has been trained yet"
        better = "lower" if self.about.get("kind") == "roar" else "higher"
        if self.counts:
            return f"{said}; a {better} accuracy after retraining means a better ranking"
        return f"{said}, below {100 * self.least:g} %: the run does not count"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN is None."""
        rows = [
            asdict(row)
            | {"means": _plain(row.means), "deviations": _plain(row.deviations)}
            | {"area": _number(row.area), "area_deviation": _number(row.area_deviation)}
            for row in self.rows
        ]
        clean = {"mean": _number(self.clean), "deviation": _number(self.clean_deviation), "least": self.least}
        points = [asdict(point) for point in self.points]
        return {"counts": self.counts, "clean": clean, "about": dict(self.about), "rows": rows, "points": points}

    def to_csv(self) -> str:
        """Return the points, one a line."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(Point.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(point) for point in self.points)
        return text.getvalue()


def summed_up(points: Sequence[Point], baselines: Sequence[str], about: Mapping[str, Any], least: float) -> RoarResult:
    """Return the table of points, best area first."""
    clean = {p.seed: p.accuracy for p in points if p.method == CLEAN}
    methods = list(dict.fromkeys(p.method for p in points if p.method != CLEAN))
    percents = sorted({p.percent for p in points if p.method != CLEAN})
    areas = {method: _areas(method, points, clean, percents) for method in methods}
    sign = 1 if about.get("kind") == "roar" else -1
    rows = []
    for method in methods:
        at = {q: [p.accuracy for p in points if (p.method, p.percent) == (method, q)] for q in percents}
        held = {q: values for q, values in at.items() if values}
        area = list(areas[method].values())
        rows.append(
            Row(
                method=method,
                baseline=method in baselines,
                means={q: float(np.mean(values)) for q, values in held.items()},
                deviations={q: deviation(values) for q, values in held.items()},
                area=float(np.mean(area)) if area else math.nan,
                area_deviation=deviation(area),
                seeds=len(area),
                verdict="" if method == "random" else _verdict(areas[method], areas.get("random", {}), sign),
            )
        )
    rows.sort(key=lambda row: (math.isnan(row.area), sign * row.area))
    values = list(clean.values())
    mean = float(np.mean(values)) if values else math.nan
    return RoarResult(rows, mean, deviation(values), least, about, list(points))


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the 95 % t interval of the mean, NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    return STUDENT[min(len(values) - 2, len(STUDENT) - 1)] * deviation(values) / math.sqrt(len(values))


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds (n - 1), NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _areas(
    method: str, points: Sequence[Point], clean: Mapping[int, float], percents: Sequence[float]
) -> dict[int, float]:
    """Seed -> area, for the seeds that have every point."""
    held = {(p.percent, p.seed): p.accuracy for p in points if p.method == method}
    whole = [seed for seed in clean if all((q, seed) in held for q in percents)]
    places = np.array([0, *percents]) / 100
    return {s: float(np.trapezoid([clean[s], *(held[q, s] for q in percents)], places)) for s in whole}


def _verdict(areas: Mapping[int, float], random: Mapping[int, float], sign: int) -> str:
    gains = [sign * (random[seed] - area) for seed, area in areas.items() if seed in random]
    if len(gains) < 2:
        return ""
    reach = half_width(gains)
    mean = float(np.mean(gains))
    return UNDECIDED if abs(mean) <= reach else BETTER if mean > 0 else WORSE


def _spread(mean: float | None, spread: float | None, times: float, digits: int) -> str:
    if mean is None or math.isnan(mean):
        return "–"
    text = f"{times * mean:.{digits}f}"
    return text if spread is None or math.isnan(spread) else f"{text} ± {times * spread:.{digits}f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(values: Mapping[float, float]) -> dict[str, float | None]:
    return {f"{key:g}": _number(value) for key, value in values.items()}
