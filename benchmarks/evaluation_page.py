"""The tables inside docs/results/evaluation.md: each stands between `<!-- NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.evaluation_tables import (
    CENTRE,
    FEWER,
    PAPERS_ORDER,
    common,
    difference,
    named,
    pairs_table,
    shown_as,
    spelled,
    stages_table,
    verdicts,
)
from onnxpath.evaluation.result import Score

NETWORKS = {"resnet20": "ResNet-20", "squeezenet": "SqueezeNet", "mobilenet": "MobileNetV2"}

SHOWN = ("lerf", "morf", "pointing-game", "energy-pointing-game")
"""Metrics of the tables that tell verdicts."""

PUBLISHED_LERF = {
    "gradient": ("0.0371", "0.0468"),
    "guided-backprop": ("0.0281", "0.0445"),
    "grad-cam": ("0.0110", "0.0099"),
    "input-x-gradient": ("0.0192", "0.0434"),
    "integrated-gradients": ("0.0194", "0.0419"),
    "NeuronMCT": ("0.0093", "0.0105"),
    "NeuronIntGrad": ("0.0093", "a copy of another row"),
}
"""Areas of Khakzar et al. (CVPR 2021), of a ResNet-8 on CIFAR-10 and a ResNet-50 on ImageNet."""


def fill(page: str, results: dict[str, Any]) -> str:
    """Return the page with its tables from the results; raises KeyError where a mark names none."""
    made = page_tables(results)
    return re.sub(
        r"(<!-- (?!end)(.+?) -->\n).*?(\n<!-- end -->)",
        lambda found: f"{found[1]}{made[found[2]]}{found[3]}",
        page,
        flags=re.DOTALL,
    )


def page_tables(results: dict[str, Any]) -> dict[str, str]:
    """Return each table by its name."""
    cells = {name: results[name]["cells"] for name in NETWORKS}
    judged = {
        name: {metric: verdicts(common(metric, found[metric])) for metric in SHOWN if metric in found}
        for name, found in cells.items()
    }
    made = {
        "lerf": _degradation(judged, "lerf", PUBLISHED_LERF),
        "morf": _degradation(judged, "morf", {}),
        "localisation": _localisation({name: judged[name] for name in judged if "pointing-game" in judged[name]}),
    }
    for name in NETWORKS:
        made[f"order {name}"] = pairs_table(common("lerf", cells[name]["lerf"]), PAPERS_ORDER)
        made[f"sanity {name}"] = stages_table(cells[name]["cascading-randomisation"])
    return made


def _degradation(judged: dict[str, dict[str, list[Score]]], metric: str, published: dict[str, tuple[str, str]]) -> str:
    heads = [f"{NETWORKS[name]} signed | absolute" for name in judged] + ["published CIFAR-10 | ImageNet"] * bool(
        published
    )
    lines = _head(heads)
    for name, baseline in _rows(judged, metric):
        row = [
            spelled(_of(judged[network][metric], variant, name), 4, bounds=False)
            for network in judged
            for variant in ("signed", "absolute")
        ]
        row += published.get(name, ("", "")) if published else ()
        lines.append(f"| {shown_as(name, baseline)} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _localisation(judged: dict[str, dict[str, list[Score]]]) -> str:
    lines = _head([f"{NETWORKS[name]} hits | − centre | energy" for name in judged])
    for name, baseline in _rows(judged, "pointing-game"):
        row = []
        for found in judged.values():
            hits, centre = (_of(found["pointing-game"], "positive", label) for label in (name, CENTRE))
            gap = "" if name == CENTRE else difference(hits, centre, 1, 100)
            energy = spelled(_of(found["energy-pointing-game"], "positive", name), 3, bounds=False)
            row += [f"{100 * hits.mean:.1f}", gap, energy]
        lines.append(f"| {shown_as(name, baseline)} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _head(columns: list[str]) -> list[str]:
    line = "| method | " + " | ".join(columns) + " |"
    return [line, "|" + " --- |" * (line.count("|") - 1)]


def _rows(judged: dict[str, dict[str, list[Score]]], metric: str) -> list[tuple[str, bool]]:
    return list(dict.fromkeys((_name(s), s.baseline) for found in judged.values() for s in found[metric]))


def _of(scores: list[Score], variant: str, name: str) -> Score:
    return next(s for s in scores if s.variant == variant and _name(s) == name)


def _name(score: Score) -> str:
    return named(score.method).partition(FEWER)[0]
