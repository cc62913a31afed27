"""Layer-wise relevance propagation, and relative attributing propagation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.registry import Maps, method
from onnxpath.attribution.walked import Walk
from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph
from onnxpath.graph.query import linear_roles
from onnxpath.graph.rows import MixedRows, row_axes
from onnxpath.rules.relevance.composites import composite as composed
from onnxpath.rules.relevance.rap import rap as rap_rules
from onnxpath.rules.ruleset import RuleSet
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target

REPORTED_LEAK = 1e-4
"""The part of a logit above which a leak is noted."""


@method("lrp")
def lrp(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    composite: str = "epsilon-plus-flat",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    stabilizer: float = 1e-6,
    low: Any = None,
    high: Any = None,
) -> Maps:
    """Return relevance by layer-wise relevance propagation (Bach et al., 2015).

    composite: which rule each layer gets, as in `onnxpath list rules`; epsilon, gamma, stabilizer: of its rules; low,
    high: ends of the input's range after preprocessing, numbers or arrays that broadcast to it, for epsilon-gamma-box.
    The delta is the map's sum minus the logit: what biases and stabilisers took.
    Raises UnknownName, InputError (low or high is missing), UnsupportedOperator (every node without a rule, at once).
    """
    walk = lrp_walk(composite=composite, epsilon=epsilon, gamma=gamma, stabilizer=stabilizer, low=low, high=high)
    return _with_delta(walk.maps(model, feeds, target), target)


@method("rap")
def rap(
    model: Model, feeds: Mapping[str, Array], target: Target, *, published: bool = False, released: bool = False
) -> Maps:
    """Return relevance by relative attributing propagation (Nam et al., AAAI 2020).

    published: an Add shares relevance by its signed parts, as in the paper's code, instead of by their magnitudes;
    released: all that differs in that code. The delta is the map's sum minus the logit: what units without
    contributions lost, and is noted. Raises ModelError where rows cannot be told apart, UnsupportedOperator.
    """
    walk = rap_walk(published=published, released=released)
    result = _with_delta(walk.maps(model, feeds, target), target)
    lost = np.abs(np.asarray(result.delta)) / np.maximum(np.abs(target.score(result.logits)), 1e-30)
    if lost.max() > REPORTED_LEAK:
        result.notes.append(
            f"units that have no input but zero lost relevance: up to {lost.max():.2%} of a row's logit"
        )
    return result


def lrp_walk(composite: str = "epsilon-plus-flat", **parameters: Any) -> Walk:
    """Return the walk of a composite; parameters: of its rules."""
    given = {name: value for name, value in parameters.items() if value is not None}
    rules = composed(composite, **given)

    def bind(graph: Graph, sources: list[str], logits: str) -> RuleSet:
        return rules.on(linear_roles(graph, sources, logits))

    key = [(name, np.asarray(value).dtype.str, np.asarray(value).tobytes()) for name, value in sorted(given.items())]
    return Walk((rules.name, *key), bind, from_logit=True)


def rap_walk(published: bool = False, released: bool = False) -> Walk:
    """Return the walk of RAP."""

    def bind(graph: Graph, sources: list[str], logits: str) -> RuleSet:
        try:
            rows = row_axes(graph)
        except MixedRows as mixed:
            raise ModelError(f"rap sums relevance row by row, and {mixed}; choose another method") from mixed
        return rap_rules(rows, published, released).on(linear_roles(graph, sources, logits))

    return Walk(("rap", published, released), bind, from_logit=True, fold=not released)


WALKS: dict[str, Callable[..., Walk]] = {"lrp": lrp_walk, "rap": rap_walk}
"""Methods whose relevance can be followed from node to node, by name."""


def _with_delta(result: Maps, target: Target) -> Maps:
    totals = [m.reshape(len(m), -1).astype(np.float64).sum(1) for m in result.maps.values()]
    result.delta = np.asarray(sum(totals) - target.score(result.logits))
    return result
