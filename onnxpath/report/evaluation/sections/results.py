"""A table for each metric: methods and baselines against its variants, with intervals and verdicts."""

from typing import Any

from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.result import Score, verdict
from onnxpath.report.evaluation.data import Scored
from onnxpath.report.template import render_template


def render(scored: Scored) -> str:
    """One table for each metric."""
    return render_template("evaluation/results.html", tables=tables(scored))


def tables(scored: Scored) -> list[dict[str, Any]]:
    """Return metric, direction, variants and rows; rows are in the order of the first variant."""
    found: dict[str, dict[str, Any]] = {}
    for (metric, variant), scores in scored.result.groups().items():
        table = found.setdefault(
            metric,
            {
                "metric": metric,
                "about": _about(metric),
                "better": scores[0].better,
                "variants": [],
                "rows": {},
                "most": scored.result.rows,
            },
        )
        table["variants"].append(variant)
        for score in scores:
            row = table["rows"].setdefault(score.method, {"baseline": score.baseline, "cells": {}})
            row["cells"][variant] = _cell(score)
    return list(found.values())


def _about(metric: str) -> str:
    """Return what a metric measures; nothing of one that is not known here."""
    return METRICS.get(metric).about.partition("; options as")[0] if metric in METRICS.names() else ""


def _cell(score: Score) -> dict[str, Any]:
    return {"score": score, "verdict": "" if score.baseline else verdict(score)}
