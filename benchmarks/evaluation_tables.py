"""The numbers of docs/results/evaluation.json as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onnxpath.evaluation.bootstrap import interval, paired
from onnxpath.evaluation.evaluate import SAMPLES
from onnxpath.evaluation.result import Score, values_of
from onnxpath.evaluation.verdicts import judged

METHODS_OF_THE_PAPERS = (
    "gradient",
    "guided-backprop",
    "grad-cam",
    "input-x-gradient",
    "integrated-gradients",
    "pathway-gradient:sparsity={sparsity}",
    "pathway-gradient:selector=neuron-intgrad:sparsity={sparsity}:n_steps=5",
    "prunegrad:perturbation=pgd:sparsity={sparsity}:n_iterations=10",
    "rap",
    "lrp:composite=epsilon-plus-flat",
    "lrp:composite=epsilon-plus",
)
"""In the order of the tables; one that onnxpath does not have is left out and named."""

NAMES = {
    "pathway-gradient:selector=neuron-intgrad": "NeuronIntGrad",
    "pathway-gradient": "NeuronMCT",
    "prunegrad:perturbation=pgd": "PruneGrad-PGD",
}
"""Beginning of a label -> the papers' name; their options are said above the tables."""

DECIMALS = {"lerf": 4, "morf": 4}
"""Digits behind the point where three are not enough."""

MARKS = {"best": "**", "undecided": "*", "behind": "", "": ""}


PAPERS_ORDER = (
    ("guided-backprop", "gradient"),
    ("pathway-gradient:sparsity", "gradient"),
    ("pathway-gradient:sparsity", "guided-backprop"),
    ("pathway-gradient:sparsity", "grad-cam"),
    ("pathway-gradient:sparsity", "pathway-gradient:selector"),
)
"""Beginnings of two labels: the first has the lower published LeRF, the last two pairs about the same."""

CENTRE = "centre-gaussian"

FEWER = " (first"
"""Follows a label whose method was measured on fewer images than the others."""


HEAD = """# The experiments' tables

Written by `python -m benchmarks.evaluation --tables`; what they say is in [evaluation.md](evaluation.md), all numbers,
one per image, are in [evaluation.json](evaluation.json).

Each cell: mean over images [95 % bootstrap interval]. **Bold**: the best method; *italic*: undecided against it, by the
paired difference; ≈: undecided against the best baseline; ▼: worse than that. Baselines are in brackets. In
differences, what is decided is bold."""


def tables(results: dict[str, Any]) -> str:
    """Return the page of all tables: one for each network and metric, and those that answer the papers' questions."""
    parts = [HEAD]
    for network, found in results.items():
        for metric, methods in found.get("cells", {}).items():
            scores = common(metric, methods)
            parts.append(f"### {network}: {metric}\n\n{_table(scores)}")
            if metric == "lerf":
                parts.append(f"### {network}: the papers' order under LeRF\n\n{pairs_table(scores, PAPERS_ORDER)}")
            if metric == "pointing-game":
                pairs = [(s.method, CENTRE) for s in scores if s.variant == scores[0].variant and s.method != CENTRE]
                parts.append(f"### {network}: hits against those of the centre point\n\n{pairs_table(scores, pairs)}")
            if metric == "cascading-randomisation":
                parts.append(f"### {network}: similarity while layers are randomised\n\n{stages_table(methods)}")
    return "\n\n".join(parts) + "\n"


def common(metric: str, methods: dict[str, Any]) -> list[Score]:
    """Return the scores, methods before baselines; one that was measured on fewer images says so in its label."""
    images = max(cell["images"] for cell in methods.values())
    found = []
    for label, cell in _ordered(methods):
        few = cell["images"] < images
        found += _scores(metric, label + f"{FEWER} {cell['images']})" * few, cell, images)
    return found


def _ordered(methods: dict[str, Any]) -> list[tuple[str, Any]]:
    """Methods as in the papers, then baselines."""
    return sorted(methods.items(), key=lambda item: (item[1]["baseline"], _place(item[0]), item[0]))


def _place(label: str) -> int:
    starts = [method.partition("{")[0] for method in METHODS_OF_THE_PAPERS]
    return next((place for place, start in enumerate(starts) if label.startswith(start)), len(starts))


def verdicts(scores: list[Score]) -> list[Score]:
    """Return the scores judged; the best is one of those on all images, since other images are easier or harder."""
    whole = {(s.method, s.variant): s for s in judged([s for s in scores if FEWER not in s.method], SAMPLES, 0)}
    every = judged(scores, SAMPLES, 0)
    return [whole.get((s.method, s.variant), replace(s, against_best="")) for s in every]


def _table(found: list[Score]) -> str:
    scores = verdicts(found)
    variants = list(dict.fromkeys(s.variant for s in scores))
    by_place = {(s.method, s.variant): s for s in scores}
    lines = [f"{len(scores[0].values)} images" + f"; {scores[0].better} is better" * bool(scores[0].better)]
    lines += [
        "",
        "| method | " + " | ".join(v or "score" for v in variants) + " |",
        "| --- |" + " --- |" * len(variants),
    ]
    for label, baseline in dict.fromkeys((s.method, s.baseline) for s in scores):
        row = [spelled(by_place.get((label, variant)), DECIMALS.get(scores[0].metric, 3)) for variant in variants]
        lines.append(f"| {shown_as(label, baseline)} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def pairs_table(scores: list[Score], pairs: Sequence[tuple[str, str]]) -> str:
    """Return the mean difference of each pair that was measured with its paired interval; what is decided is bold."""
    variants = list(dict.fromkeys(s.variant for s in scores))
    digits = DECIMALS.get(scores[0].metric, 3)
    lines = ["| first − second | " + " | ".join(variants) + " |", "| --- |" + " --- |" * len(variants)]
    for pair in pairs:
        if not all(any(s.method.startswith(label) for s in scores) for label in pair):
            continue
        row = []
        for variant in variants:
            a, b = (_found(scores, variant, label) for label in pair)
            row.append(difference(a, b, digits))
        lines.append(f"| {named(a.method)} − {named(b.method)} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def difference(a: Score, b: Score, digits: int, scale: float = 1.0) -> str:
    """Return the mean of a − b with its paired interval, bold where it is decided."""
    gap = paired(values_of(a), values_of(b), SAMPLES, 0)
    mark = "" if gap.low <= 0 <= gap.high else "**"
    mean, low, high = (f"{scale * value:+.{digits}f}" for value in (gap.mean, gap.low, gap.high))
    return f"{mark}{mean}{mark} [{low}, {high}]"


def _found(scores: list[Score], variant: str, label: str) -> Score:
    """Return the score of a label, or of the first one that begins so."""
    fitting = [s for s in scores if s.variant == variant and s.method.startswith(label)]
    return min(fitting, key=lambda s: s.method != label)


def stages_table(methods: dict[str, Any]) -> str:
    """Return |Spearman| and SSIM at every stage, from the last layer to all of them."""
    shown = ("spearman-absolute", "ssim")
    lines = ["| method | " + " | ".join(shown) + " |", "| --- |" + " --- |" * len(shown)]
    for label, cell in _ordered(methods):
        curves = [" ".join(f"{v:.2f}" for v in cell["variants"][name]["curve"][1:]) for name in shown]
        lines.append(f"| {named(label)} | " + " | ".join(curves) + " |")
    return "\n".join(lines)


def shown_as(label: str, baseline: bool) -> str:
    """Return what a row is called: baselines in brackets."""
    return f"({label})" if baseline else named(label)


def named(label: str) -> str:
    """Return a method's name as in the papers."""
    plain, few, images = label.partition(FEWER)
    name = next((name for start, name in NAMES.items() if plain.startswith(start)), plain)
    return name.replace("lrp:composite=", "LRP ") + few + images


def _scores(metric: str, label: str, cell: dict[str, Any], images: int) -> list[Score]:
    found = []
    for variant, held in cell["variants"].items():
        listed = held["values"] + [None] * (images - len(held["values"]))
        values = np.asarray([np.nan if v is None else v for v in listed], float)
        mean = interval(values, SAMPLES, 0)
        found.append(
            Score(
                *(metric, variant, label, cell["baseline"], held["better"]),
                *(mean.mean, mean.low, mean.high, mean.rows, listed, {}, 0.0),
            )
        )
    return found


def spelled(score: Score | None, digits: int, bounds: bool = True) -> str:
    """Return a mean with its verdicts, and with its interval if wanted."""
    if score is None or not score.rows:
        return "n/a"
    mark = MARKS[score.against_best]
    beside = {"better": "", "undecided": " ≈", "worse": " ▼", "": ""}[score.against_baseline]
    between = f" [{score.low:.{digits}f}, {score.high:.{digits}f}]" if bounds else ""
    return f"{mark}{score.mean:.{digits}f}{mark}{between}{beside}"
