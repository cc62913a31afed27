"""Relevance followed from node to node, for the report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from onnxpath.attribution.conservation import Passage, conservation
from onnxpath.attribution.methods.relevance import WALKS
from onnxpath.batch.explain import Batch, Failed, in_batches, stacked, targets
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.report.balance import Conservation, NodeBalance
from onnxpath.rules.relevance.composite_file import composite_of
from onnxpath.runtime.model import Model

MOST_INPUTS = 16
"""Inputs that relevance is followed on from node to node: the walk runs once more for them."""


def conserved(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    methods: Mapping[str, Mapping[str, Any]],
    target: int | None = None,
    output: str | None = None,
) -> list[Conservation]:
    """Return how relevance was conserved on the first inputs, for each method of relevance, without those that fail."""
    return [
        _followed(model, items[:MOST_INPUTS], preprocess, name, options, target, output)
        for name, options in methods.items()
        if name in WALKS and _conserves(options)
    ]


def _conserves(options: Mapping[str, Any]) -> bool:
    return "composite" not in options or composite_of(options["composite"]).starts == "logit"


def _followed(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    method: str,
    options: Mapping[str, Any],
    target: int | None,
    output: str | None,
) -> Conservation:
    began = time.perf_counter()

    def run(batch: Batch) -> list[tuple[str, list[Passage], int]]:
        passages = conservation(model, stacked(model, batch), targets(batch, target), method, output, **options)
        return [(item.name, passages, row) for row, (item, _) in enumerate(batch)]

    found = [r for r in in_batches(model, items, preprocess, run) if not isinstance(r, Failed)]
    count = len(found[0][1]) if found else 0
    nodes = [_balance([(passages[i], row) for _, passages, row in found]) for i in range(count)]
    return Conservation(method, [name for name, _, _ in found], time.perf_counter() - began, nodes)


def _balance(rows: Sequence[tuple[Passage, int]]) -> NodeBalance:
    first = rows[0][0]
    numbers = {key: [float(getattr(p, key)[row]) for p, row in rows] for key in ("given", "passed", "cut")}
    excess = [float(p.excess[row]) for p, row in rows if p.excess is not None]
    return NodeBalance(first.node, first.operator, **numbers, excess=excess or None)
