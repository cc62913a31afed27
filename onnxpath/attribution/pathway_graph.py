"""The pathway gradient as one graph: contributions, the cut and the masked network's gradient, one after the other."""

from __future__ import annotations

from collections.abc import Callable
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
from onnxpath.pathway.quadrature import points
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.select_on_device import KEEP, KEPT, cut_graph
from onnxpath.pathway.trace import check_layers

ASKED = "input"
"""A sparsity that the graph asks for."""


def pathway_graph(
    spelling: Spelling,
    *,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    activity: bool = False,
    **options: Any,
) -> dict[str, Tensor]:
    """Spell the pathway gradient as one graph, with `density`, `kept` and `masked_logits` beside the map.

    sparsity: a number, or "input": the graph then has an input `sparsity`, float32, one number; kept: int64
    [N, layers], neurons kept in each layer; density: float32 [N]; masked_logits: [N, ...].
    Raises UnknownName, InputError: a selector or a sparsity that needs the host.
    """
    if selector not in SPELLED:
        raise unknown("selector that is one graph", [selector], SPELLED, "others need the host: `onnxpath explain`")
    # A path integral starts in the middle of the network as the file has it, before anything is folded.
    spelling.begin(fold=selector != "neuron-intgrad")
    op = spelling.op
    model, logits = spelling.setup.model, spelling.setup.logits
    setup = replace(spelling.setup, layers=tuple(neuron_layers(model.graph, logits)[0]))
    check_layers(setup.layers)
    check_cut(0.0 if sparsity == ASKED else sparsity, scope)
    asked = op.add_input("sparsity", np.float32, []) if sparsity == ASKED else op.const(sparsity, np.float64)
    scores = SPELLED[selector](spelling, setup, **options)
    counts = op.Concat(*(neurons_of(op, scores[SCORE + layer.name]) for layer in setup.layers), axis=0)
    neurons = op.ReduceSum(counts, [0], keepdims=1)
    keep = kept_of(op, neurons if scope == "global" else counts, asked)
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


def neuron_mct(spelling: Spelling, setup: Setup) -> dict[str, Tensor]:
    """Activation · gradient of every neuron."""
    found = spelling.run(setup.contributions_graph(activity=False), {setup.kind: spelling.target})
    return {name: value for name, value in found.items() if name.startswith(SCORE)}


def neuron_intgrad(
    spelling: Spelling, setup: Setup, *, n_steps: int = 10, quadrature: str = "midpoint"
) -> dict[str, Tensor]:
    """Activation · mean gradient on the way from zero, a Loop for each layer; weights stay outside, or the file grows
    with the number of layers."""
    alphas, weights = points(quadrature, n_steps)
    scores = {}
    for layer in setup.layers:
        op, a = spelling.op, spelling.graph.tensor(layer.name)
        wide = spelling.wide(a)
        with op.serving(layer.name, "score"):
            body = op.inside()
            step, going = body.add_input(op.name("step"), "int64", []), body.add_input(op.name("going"), "bool", [])
            total = body.add_input(op.name("total"), wide.dtype, list(a.shape))
            point = {"alpha": body.Gather(op.like(alphas, a), step), "sum": total}
            point |= {"weight": body.Gather(op.like(weights, wide), step), setup.kind: spelling.fixed_target}
            cut = {name: spelling.graph.tensor(name) for name in setup.cut(layer)}
            found = spelling.run(setup.path_integral_graph(layer), {**cut, **point}, body)
            body.add_output(going, op.name("goes_on"))
            body.add_output(found["total"], op.name("sum"))
            (mean,) = op.control("Loop", [op.const(n_steps), op.const(True), op.zeros_like(wide)], [wide], body=body)
            scores[SCORE + layer.name] = op.Mul(wide, mean)
    return scores


SPELLED: dict[str, Callable[..., dict[str, Tensor]]] = {"neuron-mct": neuron_mct, "neuron-intgrad": neuron_intgrad}
"""Selectors whose scores are one graph."""


def neurons_of(op: Emitter, scores: Tensor) -> Tensor:
    """Return the number of neurons in a row of scores, int64 [1]."""
    made: Tensor = op.Shape(op.Reshape(scores, [0, -1]), start=1, end=2)
    return made


def kept_of(op: Emitter, count: Tensor, sparsity: Tensor) -> Tensor:
    """Return round((1 - sparsity) · count), int64 [pools]; in float64, since float32 counts to 16 million only."""
    share = op.Sub(op.const(1.0, np.float64), op.Cast(sparsity, to=TensorProto.DOUBLE))
    kept = op.Round(op.Mul(op.Cast(count, to=TensorProto.DOUBLE), share))
    made: Tensor = op.Cast(kept, to=TensorProto.INT64)
    return made
