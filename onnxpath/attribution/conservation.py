"""Conservation as data: what relevance each node got, and what it passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.methods.relevance import RELEVANCE
from onnxpath.attribution.spelling import Spelling
from onnxpath.backward.walk import Step
from onnxpath.errors import unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, rank
from onnxpath.graph.rows import MixedRows, row_axes
from onnxpath.pathway.programs import Setup
from onnxpath.runtime.model import load, rows_of
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import resolve_target


@dataclass(frozen=True)
class Passage:
    """Relevance through one node: given to its outputs, and passed to its inputs, float [N] each."""

    node: str
    operator: str
    given: Array
    passed: Array


def conservation(
    model: Any, x: Any, target: Any = None, method: str = "rap", output: str | None = None, **options: Any
) -> list[Passage]:
    """Return the relevance through every node that it goes through, from the output on.

    model, x, target, output: as in `attribute`; method: "lrp" | "rap"; options: the method's. All rows are run at once.
    Raises as `attribute` does.
    """
    if method not in RELEVANCE:
        raise unknown("relevance method", [method], RELEVANCE)
    loaded = load(model)
    feeds = loaded.feeds(x)
    goal = resolve_target(loaded, target, rows_of(feeds), output)
    setup, steps = Setup.of(loaded, goal, layers=()), list[Step]()
    spelling, spell = Spelling(setup, steps=steps), METHODS.get(method).spell
    assert spell is not None, "relevance is spelled as a graph"
    spell(spelling, **options)
    graph, op = spelling.graph, spelling.op
    rows: Mapping[str, int | None] = {}
    with suppress(MixedRows):
        rows = row_axes(loaded.graph)
    for i, step in enumerate(steps):
        given = [(t, d) for t, d in zip(step.node.outputs, step.given, strict=True) if d is not None]
        op.add_output(_sums(op, given, rows), f"given_{i}")
        op.add_output(_sums(op, step.passed, rows), f"passed_{i}")
    values = Session(setup.finish(graph, op), loaded.provider).run({**feeds, **goal.feed(slice(None))})
    return [
        Passage(s.node.name, s.node.op, np.asarray(values[f"given_{i}"]), np.asarray(values[f"passed_{i}"]))
        for i, s in enumerate(steps)
    ]


def _sums(op: Emitter, pairs: Sequence[tuple[Tensor, Tensor]], rows: Mapping[str, int | None]) -> Tensor:
    """Return the sum of each row over several tensors; pairs: (tensor of the model, its relevance)."""
    parts = [op.ReduceSum(r, [a for a in range(rank(t)) if a != (rows.get(t.name) or 0)], keepdims=0) for t, r in pairs]
    total: Tensor = op.sum(parts)
    return total
