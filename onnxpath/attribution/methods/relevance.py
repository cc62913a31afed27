"""Layer-wise relevance propagation, and relative attributing propagation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onnxpath.attribution.registry import Maps, spelled, total
from onnxpath.attribution.spelling import Spelling
from onnxpath.errors import ModelError
from onnxpath.graph.ir import Tensor
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes
from onnxpath.rules.relevance.composite_file import composite_of
from onnxpath.rules.relevance.rap import Shift
from onnxpath.rules.relevance.rap import rap as rap_rules
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import Target

REPORTED_LEAK = 1e-4
"""The part of a logit above which a leak is noted."""


def with_delta(model: Model, target: Target, result: Maps, composite: str = "", **options: Any) -> None:
    """Set the delta: the map's sum minus the logit, but for composites that do not start with it."""
    if composite and composite_of(composite).starts != "logit":
        return
    result.delta = total(result.maps) - target.score(result.logits)


def with_leaks(model: Model, target: Target, result: Maps, **options: Any) -> None:
    """Set the delta, and note it where it is a leak."""
    with_delta(model, target, result)
    lost = np.abs(np.asarray(result.delta)) / np.maximum(np.abs(target.score(result.logits)), 1e-30)
    if lost.max() > REPORTED_LEAK:
        result.notes.append(
            f"units that have no input but zero lost relevance: up to {lost.max():.2%} of a row's logit"
        )


@spelled("lrp", finish=with_delta)
def lrp(
    spelling: Spelling,
    *,
    composite: str = "epsilon-plus-flat",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    stabilizer: float = 1e-6,
    alpha: float = 2.0,
    beta: float = 1.0,
    beta_smooth: float = 10.0,
    bias: bool = True,
    low: Any = None,
    high: Any = None,
) -> dict[str, Tensor]:
    """Return relevance by layer-wise relevance propagation (Bach et al., 2015).

    composite: which rule each layer gets, a name as in `onnxpath list rules` or the path of a .toml file; epsilon,
    gamma, stabilizer, alpha, beta, beta_smooth: of its rules; bias: False leaves biases out of what is shared by; low,
    high: ends of the input's range after preprocessing, numbers or arrays that broadcast to it, for lrp-zbox.
    The delta is the map's sum minus the logit: what biases and stabilisers took; composites of gradients, which start
    with 1 instead of the logit, have none.
    Raises UnknownName, InputError (the file; low or high is missing), UnsupportedOperator (every node without a rule).
    """
    given = {"epsilon": epsilon, "gamma": gamma, "stabilizer": stabilizer, "alpha": alpha, "beta": beta}
    given |= {"beta_smooth": beta_smooth, "bias": bias} | {
        k: v for k, v in (("low", low), ("high", high)) if v is not None
    }
    rules = composite_of(composite, **given)
    rules.require_parameters()
    rules.require_nodes(node.name for node in spelling.graph.nodes)
    bound = rules.on(spelling.roles())
    return spelling.relevance(bound) if rules.starts == "logit" else spelling.gradients(bound)


@spelled("rap", finish=with_leaks)
def rap(spelling: Spelling, *, published: bool = False, released: bool = False) -> dict[str, Tensor]:
    """Return relevance by relative attributing propagation (Nam et al., AAAI 2020).

    published: an Add shares relevance by its signed parts, as in the paper's code, instead of by their magnitudes;
    released: all that differs in that code. The delta is the map's sum minus the logit: what units without
    contributions lost, and is noted. Raises ModelError where rows cannot be told apart, UnsupportedOperator.
    """
    return rap_walk(spelling, {}, published=published, released=released)


def rap_walk(
    spelling: Spelling, excess: dict[str, list[Tensor]], published: bool = False, released: bool = False
) -> dict[str, Tensor]:
    """Return RAP's map of each source; excess: gets what the shift took from each row of a layer, by its output."""
    spelling.begin(fold=not released)
    try:
        rows = row_axes(spelling.graph)
    except MixedRows as mixed:
        raise ModelError(f"rap sums relevance row by row, and {mixed}; choose another method") from mixed
    return spelling.relevance(rap_rules(Shift(rows, excess), published, released).on(spelling.roles()))


WALKS: dict[str, Callable[..., dict[str, Tensor]]] = {
    "lrp": lambda spelling, excess, **options: lrp(spelling, **options),
    "rap": rap_walk,
}
"""Methods whose relevance can be followed from node to node: f(spelling, excess, **options) -> maps."""
