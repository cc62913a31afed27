"""Conductance of one unit of a layer, as a map of the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.methods.layers import checked_layer
from onnxpath.attribution.registry import (
    Maps,
    begun_at_sources,
    gradients,
    like_sources,
    logits_of,
    method,
    on_line,
    spelled_program,
    wide,
)
from onnxpath.attribution.spelling import Spelling
from onnxpath.backward.target import SEEDS, TARGET
from onnxpath.backward.walk import backward
from onnxpath.errors import InputError
from onnxpath.graph.ir import Tensor, onnx_dtype
from onnxpath.lowering.cast import in_dtype
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.quadrature import points
from onnxpath.progress import track
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target, resolve_target

NEURON = "neuron_of_layer"


@method("neuron-conductance", needs=["layer"])
def neuron_conductance(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    layer: str | None = None,
    neuron: Any = None,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
    multiply_by_inputs: bool = True,
) -> Maps:
    """Return the part of integrated gradients that passes one unit of a layer, at the input (Shrikumar et al., 2018).

    layer: name of a float tensor; neuron: entry of its row, given as targets are, None for each row's largest;
    baselines, n_steps, quadrature, multiply_by_inputs: as of integrated-gradients. Raises InputError, UnknownName.
    """
    checked_layer(model.graph, layer)
    model, feeds = begun_at_sources(model, feeds, target)
    name = checked_layer(model.graph, layer)
    unit = resolve_target(model, neuron, rows_of(feeds), name)
    if unit.kind != TARGET:
        raise InputError("`neuron` is an entry of the layer, as an index or a tuple, not an array of floats")
    start = like_sources(model, feeds, "baselines", baselines)
    logits = logits_of(model, feeds, target)
    fixed, program = target.fixed(logits), _program(model, target, name)
    entry = {NEURON: unit.fixed(logits_of(model, feeds, unit)).values}
    mean = {source: np.zeros(feeds[source].shape, np.float64) for source in start}
    for alpha, weight in track(list(zip(*points(quadrature, n_steps), strict=True)), "neuron conductance"):
        between = {**feeds, **on_line(start, feeds, alpha), **entry}
        for source, grad in gradients(model, between, fixed, program).maps.items():
            mean[source] += weight * grad
    factors: Mapping[str, Any] = {n: wide(feeds[n]) - x0 if multiply_by_inputs else 1 for n, x0 in start.items()}
    return Maps({n: (factors[n] * m).astype(wide(feeds[n]).dtype) for n, m in mean.items()}, logits)


def _program(model: Model, target: Target, layer: str) -> Session:
    """x, target, NEURON -> logits and `grad_<source>`: the gradient that passes one unit of the layer."""
    setup = Setup.of(model, target, layers=())

    def spell(spelling: Spelling) -> dict[str, Tensor]:
        spelling.begin(keep=[layer])
        op, tensor = spelling.op, spelling.graph.tensor(layer)
        grad = spelling.gradients(wrt=[layer])[layer]
        one_hot = SEEDS[TARGET](op, tensor, op.add_input(NEURON, "int64", [tensor.shape[0] if tensor.shape else None]))
        passed = op.Mul(in_dtype(op, one_hot, onnx_dtype(grad)), grad)
        found = backward(op, model.rules, {layer: passed}, spelling.sources)
        return {n: found[n] if n in found else op.zeros_like(spelling.graph.tensor(n)) for n in spelling.sources}

    return setup.session("neuron conductance", lambda: spelled_program(spell, setup), layer)
