"""Distillation guided routing as published: a gate per channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.graph.quantised import varies
from onnxpath.pathway.gates import Descent, optimise
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.selectors.activation_only import activation_only
from onnxpath.pathway.selectors.registry import Scores, selector
from onnxpath.runtime.session import Array

PLACES = ("neuron-layers", "blocks")

BETWEEN = ("Identity", "QuantizeLinear", "DequantizeLinear")


@selector("dgr", own_density=True)
def dgr(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Mapping[str, Array],
    rows: slice,
    activity: bool,
    *,
    at: str = "neuron-layers",
    n_steps: int = 30,
    lr: float = 0.1,
    momentum: float = 0.9,
    penalty: float = 0.05,
    upper: float = 5.0,
) -> Scores:
    """Keep the channels whose gate stays above zero, whatever sparsity is asked for (Wang et al., CVPR 2018, DGR).

    at: "neuron-layers" gates each of them, "blocks" only the activations behind residual additions, as published for
    ResNets, and keeps the others whole; n_steps, lr, momentum: of gradient descent, from gates at 1; penalty: weight of
    the sum of gates; upper: gates stay in [0, upper], 5 as published for plain networks, 100 for ResNets. The scores
    are the gates. What is kept carries the whole prediction: a target is not asked for.
    Raises ModelError (no residual block), InputError (the output is no list of classes).
    """
    descent = Descent(n_steps, lr, momentum, penalty, upper)
    scores = activation_only(setup, feeds, target, rows, activity)
    layers = _gated(setup, at)
    start = {layer.name: np.ones_like(_channels(layer, scores.signed[layer.name])) for layer in layers}
    found = optimise(setup, feeds, scores.logits, layers, "channel", start, descent, "dgr")
    shapes = {name: a.shape for name, a in scores.signed.items()}
    gates = {name: found.values.get(name, np.ones(1, np.float32)) for name in shapes}
    masks = {name: np.broadcast_to(gate > 0, shapes[name]) for name, gate in gates.items()}
    expanded = {name: np.broadcast_to(gate, shapes[name]) for name, gate in gates.items()}
    return Scores(scores.logits, expanded, scores.inactive, lambda *_: masks, takes_sparsity=False)


def _channels(layer: NeuronLayer, a: Array) -> Array:
    """Return one value per row and channel, with the axes of the activation and a gate's dtype."""
    others = tuple(axis for axis in range(1, a.ndim) if axis != layer.channel_axis)
    return np.asarray(a.max(axis=others, keepdims=True), np.promote_types(a.dtype, np.float32))


def _gated(setup: Setup, at: str) -> Sequence[NeuronLayer]:
    if at not in PLACES:
        raise unknown("place of gates", [at], PLACES)
    return setup.layers if at == "neuron-layers" else block_outputs(setup)


def block_outputs(setup: Setup) -> list[NeuronLayer]:
    """Return the neuron layers behind an addition of two branches; ModelError where there are none."""
    found = [layer for layer in setup.layers if _is_behind_addition(setup, layer)]
    if not found:
        raise ModelError(
            "gates at 'blocks' lie on activations of a sum of branches, and the model has none; use at='neuron-layers'"
        )
    return found


def _is_behind_addition(setup: Setup, layer: NeuronLayer) -> bool:
    node = setup.model.graph.tensor(layer.name).inputs[0]
    source = node.inputs[0].inputs
    while source and source[0].op in BETWEEN:
        source = source[0].inputs[0].inputs
    return bool(source) and source[0].op in ("Add", "Sum") and sum(map(varies, source[0].inputs)) > 1
