"""Conservation as data: what relevance each node got and passed on, and what is left on every cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.methods.relevance import WALKS
from onnxpath.attribution.spelling import Spelling
from onnxpath.backward.walk import Step
from onnxpath.errors import InputError, unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, rank
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes
from onnxpath.pathway.programs import Setup
from onnxpath.rules.relevance.composite_file import composite_of
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target, resolve_target

GIVEN, PASSED, EXCESS = "given_", "passed_", "excess_"


@dataclass(frozen=True)
class Passage:
    """Relevance through one node, float64 [N] each.

    given: to its outputs; passed: to its inputs; cut: what is on the cut behind the node, which is all relevance on its
    way between the nodes that have passed theirs on and those that have not, once this one has; excess: what the
    contributions summed to beyond `given` before RAP's shift took it away, None where nothing is shifted.
    """

    node: str
    operator: str
    given: Array
    passed: Array
    cut: Array
    excess: Array | None = None

    @property
    def lost(self) -> Array:
        """What was given and not passed, [N]; negative where relevance was made."""
        return self.given - self.passed


def conservation(
    model: Any, x: Any, target: Any = None, method: str = "rap", output: str | None = None, **options: Any
) -> list[Passage]:
    """Return the relevance through every node that it goes through, from the output on.

    model, x, target, output: as in `attribute`; method: "lrp" | "rap"; options: the method's. Runs the walk once more,
    with three sums for each node. The first passage's `given` is where relevance starts, the last one's `cut` the sum
    of the maps. Raises as `attribute` does, InputError for a composite of gradients, which conserves nothing.
    """
    if method not in WALKS:
        raise unknown("relevance method", [method], WALKS)
    options = {**METHODS.get(method).defaults, **METHODS.get(method).checked(options)}
    if "composite" in options and composite_of(options["composite"]).starts != "logit":
        raise InputError(f"composite '{options['composite']}' passes gradients on, which are not conserved")
    loaded = load(model)
    feeds = loaded.feeds(x)
    goal = resolve_target(loaded, target, rows_of(feeds), output)
    session, steps = _program(loaded, goal, method, options)
    parts = []
    for part, rows in loaded.batches(feeds):
        values = session.run({**part, **goal.feed(rows, rows_of(part))})
        parts.append({k: np.asarray(v, np.float64)[: rows.stop - rows.start] for k, v in values.items()})
    return _passages(steps, {k: np.concatenate([p[k] for p in parts]) for k in parts[0]})


def worst(passages: Sequence[Passage], count: int = 10) -> list[Passage]:
    """Return the passages that lost or made most, by the largest |lost| of any row, without those that are even."""
    leaking = [p for p in passages if np.abs(p.lost).max() > 0]
    return sorted(leaking, key=lambda p: -float(np.abs(p.lost).max()))[:count]


def _program(model: Model, goal: Target, method: str, options: Mapping[str, Any]) -> tuple[Session, list[Step]]:
    setup, steps, excess = Setup.of(model, goal, layers=()), list[Step](), dict[str, list[Tensor]]()
    spelling = Spelling(setup, steps=steps)
    WALKS[method](spelling, excess, **options)
    graph, op = spelling.graph, spelling.op
    rows: Mapping[str, int | None] = {}
    with suppress(MixedRows):
        rows = row_axes(model.graph)
    for i, step in enumerate(steps):
        given = [(t, d) for t, d in zip(step.node.outputs, step.given, strict=True) if d is not None]
        op.add_output(_sums(op, given, rows), f"{GIVEN}{i}")
        op.add_output(_sums(op, step.passed, rows), f"{PASSED}{i}")
        if step.node.outputs[0].name in excess:
            op.add_output(op.sum(excess[step.node.outputs[0].name]), f"{EXCESS}{i}")
    return model.session("conservation", lambda: setup.finish(graph, op), keep=False), steps


def _passages(steps: Sequence[Step], values: Mapping[str, Array]) -> list[Passage]:
    made: list[Passage] = []
    for i, step in enumerate(steps):
        given, passed = values[f"{GIVEN}{i}"], values[f"{PASSED}{i}"]
        before = made[-1].cut if made else given
        cut = before - given + passed
        made.append(Passage(step.node.name, step.node.op, given, passed, cut, values.get(f"{EXCESS}{i}")))
    return made


def _sums(op: Emitter, pairs: Sequence[tuple[Tensor, Tensor]], rows: Mapping[str, int | None]) -> Tensor:
    """Return the sum of each row over several tensors; pairs: (tensor of the model, its relevance)."""
    parts = [op.ReduceSum(r, [a for a in range(rank(t)) if a != (rows.get(t.name) or 0)], keepdims=0) for t, r in pairs]
    total: Tensor = op.sum(parts)
    return total
