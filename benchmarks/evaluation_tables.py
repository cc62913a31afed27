"""The numbers of docs/results/evaluation.json as Markdown tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnxpath.evaluation.bootstrap import interval
from onnxpath.evaluation.evaluate import SAMPLES
from onnxpath.evaluation.result import Score
from onnxpath.evaluation.verdicts import judged

NAMES = {
    "pathway-gradient:selector=neuron-intgrad": "NeuronIntGrad",
    "pathway-gradient": "NeuronMCT",
    "prunegrad:perturbation=pgd": "PruneGrad-PGD",
}
"""Beginning of a label -> the papers' name; their options are said above the tables."""

DECIMALS = {"lerf": 4, "morf": 4}
"""Digits behind the point where three are not enough."""

MARKS = {"best": "**", "undecided": "*", "behind": "", "": ""}


def tables(results: dict[str, Any]) -> str:
    """Return a table for each network and metric.

    The best method is bold, those that are undecided against it are italic; ≈ stands by methods that are undecided
    against the best baseline, and ▼ by those that are worse.
    """
    parts = []
    for network, found in results.items():
        for metric, methods in found.get("cells", {}).items():
            parts.append(f"### {network}: {metric}\n\n{_table(metric, methods)}")
    return "\n\n".join(parts)


def _table(metric: str, methods: dict[str, Any]) -> str:
    scores = judged([s for label, cell in methods.items() for s in _scores(metric, label, cell)], SAMPLES, 0)
    variants = list(dict.fromkeys(s.variant for s in scores))
    by_place = {(s.method, s.variant): s for s in scores}
    images = {cell["images"] for cell in methods.values()}
    lines = [
        f"{', '.join(map(str, sorted(images)))} images" + f"; {scores[0].better} is better" * bool(scores[0].better)
    ]
    lines += [
        "",
        "| method | " + " | ".join(v or "score" for v in variants) + " |",
        "| --- |" + " --- |" * len(variants),
    ]
    for label, cell in methods.items():
        row = [_spelled(by_place.get((label, variant)), DECIMALS.get(metric, 3)) for variant in variants]
        name = f"({label})" if cell["baseline"] else _named(label)
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _named(label: str) -> str:
    return next(
        (name for start, name in NAMES.items() if label.startswith(start)), label.replace("lrp:composite=", "LRP ")
    )


def _scores(metric: str, label: str, cell: dict[str, Any]) -> list[Score]:
    found = []
    for variant, held in cell["variants"].items():
        values = np.asarray([np.nan if v is None else v for v in held["values"]], float)
        mean = interval(values, SAMPLES, 0)
        found.append(
            Score(
                *(metric, variant, label, cell["baseline"], held["better"]),
                *(mean.mean, mean.low, mean.high, mean.rows, held["values"], {}, 0.0),
            )
        )
    return found


def _spelled(score: Score | None, digits: int) -> str:
    if score is None or not score.rows:
        return "n/a"
    mark = MARKS[score.against_best]
    beside = {"better": "", "undecided": " ≈", "worse": " ▼", "": ""}[score.against_baseline]
    return f"{mark}{score.mean:.{digits}f}{mark} [{score.low:.{digits}f}, {score.high:.{digits}f}]{beside}"
