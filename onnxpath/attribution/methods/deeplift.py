"""DeepLIFT, and its mean over a distribution of baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onnxpath.attribution.distribution import distribution
from onnxpath.attribution.registry import (
    Maps,
    begun_at_sources,
    change_from,
    frozen,
    gradients,
    like_sources,
    method,
    spelled_program,
    total,
)
from onnxpath.attribution.spelling import Spelling, fed_name
from onnxpath.backward.walk import active_nodes
from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.again import compute_again
from onnxpath.graph.ir import Node, Tensor
from onnxpath.graph.query import upstream
from onnxpath.pathway.programs import Setup
from onnxpath.rules.deeplift import EPSILON, Reference
from onnxpath.rules.deeplift import deeplift as deeplift_rules
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target

BASELINES = ("baselines",)


def deeplift_graph(
    spelling: Spelling, *, multiply_by_inputs: bool = True, eps: float = EPSILON, softmax: str = "complete"
) -> dict[str, Tensor]:
    """Spell DeepLIFT as one graph: the network, again at the baselines, and the multipliers between the two."""
    op, graph, starts = spelling.op, spelling.graph, spelling.fed["baselines"]
    reference: Reference = dict(starts)
    rules = deeplift_rules(reference, eps, softmax)
    # Before anything is made, so that all nodes without a rule are named.
    path = active_nodes(graph, rules, [spelling.logits.name], spelling.sources)
    ahead = upstream(graph, [spelling.logits.name])
    compute_again(op, [n for n in graph.nodes if any(t.name in ahead for t in n.outputs)], reference)
    _require_floats(path, reference, spelling.sources)
    found = spelling.gradients(rules)
    if not multiply_by_inputs:
        return found
    wide = spelling.wide
    return {
        name: op.Mul(op.Sub(wide(graph.tensor(name)), wide(starts[name])), wide(multiplier))
        for name, multiplier in found.items()
    }


def _require_floats(path: Sequence[Node], reference: Reference, sources: Sequence[str]) -> None:
    """Raise UnsupportedOperator for nodes that depend on the input through integers or booleans."""
    carried = {*sources, *(t.name for node in path for t in node.outputs)}
    lost = [(node, t) for node in path for t in node.inputs if t.name in reference and t.name not in carried]
    if lost:
        lines = [f"  {node.op}: node '{node.name}' reads '{t.name}'" for node, t in lost]
        raise UnsupportedOperator(
            "DeepLIFT compares values at the input and at the baseline, and here integers or booleans differ between "
            "them, which no multiplier can tell:\n" + "\n".join(lines) + "\nchoose integrated-gradients"
        )


@method("deeplift", spell=deeplift_graph, per_row=BASELINES)
def deeplift(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    multiply_by_inputs: bool = True,
    eps: float = EPSILON,
    softmax: str = "complete",
) -> Maps:
    """Return (x - x') · multipliers of the rescale rule (Shrikumar et al., 2017).

    baselines: x', a number, an array that broadcasts to the input (or the embedding), or a dict by name; default 0;
    multiply_by_inputs: False returns the multipliers; eps: a smaller difference of an input counts as none; softmax:
    inside the network, "complete" (the map's sum is kept) | "captum". The delta is sum(map) - (F(x) - F(x')). Raises
    InputError, UnknownName, UnsupportedOperator (operators without such a rule, all at once).
    """
    model, feeds = begun_at_sources(model, feeds, target)
    start = like_sources(model, feeds, "baselines", baselines)
    result = _from(
        model, feeds, target, start, {"multiply_by_inputs": multiply_by_inputs, "eps": eps, "softmax": softmax}
    )
    if multiply_by_inputs:
        result.delta = total(result.maps) - change_from(model, feeds, start, target, result.logits)
    return result


@method("deeplift-shap")
def deeplift_shap(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    multiply_by_inputs: bool = True,
    eps: float = EPSILON,
    softmax: str = "complete",
) -> Maps:
    """Return the mean of DeepLIFT over a distribution of baselines (Lundberg and Lee, 2017).

    baselines: a sample, array [B, ...] of rows like the input's, or a dict of those by name; default one of zeros.
    multiply_by_inputs, eps, softmax: as of deeplift. The delta is sum(map) - (F(x) - mean F(x')). Raises as deeplift.
    """
    model, feeds = begun_at_sources(model, feeds, target)
    starts = distribution(model, feeds, baselines)
    options = {"multiply_by_inputs": multiply_by_inputs, "eps": eps, "softmax": softmax}
    sums: dict[str, Array] = {}
    change: Any = 0.0
    for start in starts.rows():
        result = _from(model, feeds, target, start, options)
        for name, found in result.maps.items():
            sums[name] = sums.get(name, 0) + found.astype(np.float64)
        change = change + change_from(model, feeds, start, target, result.logits)
    maps = {name: (s / starts.count).astype(result.maps[name].dtype) for name, s in sums.items()}
    delta = total(maps) - change / starts.count if multiply_by_inputs else None
    return Maps(maps, result.logits, delta, notes=starts.notes)


def _from(
    model: Model, feeds: Mapping[str, Array], target: Target, start: Mapping[str, Array], options: Mapping[str, Any]
) -> Maps:
    """Return the maps from one baseline for each row."""
    fed = {fed_name("baselines", name): array for name, array in start.items()}
    return gradients(model, {**feeds, **fed}, target, _program(model, target, options))


def _program(model: Model, target: Target, options: Mapping[str, Any]) -> Session:
    setup = Setup.of(model, target, layers=())
    return setup.session(
        "deeplift", lambda: spelled_program(deeplift_graph, setup, BASELINES, options), *frozen(options)
    )
