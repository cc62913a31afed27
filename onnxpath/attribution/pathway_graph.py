"""The pathway gradient as one graph: contributions, the cut and the masked network's gradient, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from onnxpath.attribution.spelling import Spelling
from onnxpath.errors import unknown
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.graph.neurons import neuron_layers
from onnxpath.pathway.programs import GRAD, LOGITS, SCORE, Setup, mask_name
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.select_on_device import KEEP, KEPT, cut_graph
from onnxpath.pathway.trace import check_layers


def pathway_graph(
    spelling: Spelling,
    *,
    selector: str = "neuron-mct",
    sparsity: float = 0.9,
    scope: str = "global",
    activity: bool = False,
    **options: Any,
) -> dict[str, Tensor]:
    """Spell the pathway gradient as one graph, with `density`, `kept` and `masked_logits` beside the map.

    kept: int64 [N, layers], neurons kept in each layer; density: float32 [N]; masked_logits: [N, ...].
    Raises InputError: a selector that needs the host.
    """
    op = spelling.op
    model, logits = spelling.setup.model, spelling.setup.logits
    setup = replace(spelling.setup, layers=tuple(neuron_layers(model.graph, logits)[0]))
    check_layers(setup.layers)
    check_cut(sparsity, scope)
    scores = scores_graph(spelling, setup, selector, options)
    counts = op.Concat(*(neurons_of(op, scores[SCORE + layer.name]) for layer in setup.layers), axis=0)
    neurons = op.ReduceSum(counts, [0], keepdims=1)
    keep = kept_of(op, neurons if scope == "global" else counts, sparsity)
    cut = spelling.run(cut_graph(setup, scope), {KEEP: keep, **scores})
    masks = {mask_name(layer): cut[mask_name(layer)] for layer in setup.layers}
    found = spelling.run(setup.masked_graph(True), {**masks, setup.kind: spelling.fixed_target})
    kept = [op.Cast(op.Reshape(cut[KEPT + layer.name], [0, -1]), to=TensorProto.INT64) for layer in setup.layers]
    spelling.also["kept"] = op.Concat(*(op.ReduceSum(k, [1], keepdims=1) for k in kept), axis=1)
    total = op.Cast(op.ReduceSum(spelling.also["kept"], [1], keepdims=0), to=TensorProto.DOUBLE)
    density = op.Div(total, op.Cast(neurons, to=TensorProto.DOUBLE))
    spelling.also["density"] = op.Cast(density, to=TensorProto.FLOAT)
    spelling.also["masked_logits"] = found[LOGITS]
    return {name: found[GRAD + name] for name in spelling.sources}


def scores_graph(spelling: Spelling, setup: Setup, selector: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return `score_<layer>` of each layer, computed in the graph."""
    if selector not in SPELLED:
        raise unknown("selector that is one graph", [selector], SPELLED, "others need the host: `onnxpath explain`")
    return SPELLED[selector](spelling, setup, **options)


def neuron_mct(spelling: Spelling, setup: Setup) -> dict[str, Tensor]:
    """Activation · gradient of every neuron."""
    found = spelling.run(setup.contributions_graph(activity=False), {setup.kind: spelling.target})
    return {name: value for name, value in found.items() if name.startswith(SCORE)}


SPELLED: dict[str, Callable[..., dict[str, Tensor]]] = {"neuron-mct": neuron_mct}
"""Selectors whose scores are one graph."""


def neurons_of(op: Emitter, scores: Tensor) -> Tensor:
    """Return the number of neurons in a row of scores, int64 [1]."""
    made: Tensor = op.Shape(op.Reshape(scores, [0, -1]), start=1, end=2)
    return made


def kept_of(op: Emitter, count: Tensor, sparsity: float) -> Tensor:
    """Return round((1 - sparsity) · count), int64 [pools]; in float64, since float32 counts to 16 million only."""
    share = op.Mul(op.Cast(count, to=TensorProto.DOUBLE), op.const(1 - sparsity, np.float64))
    made: Tensor = op.Cast(op.Round(share), to=TensorProto.INT64)
    return made
