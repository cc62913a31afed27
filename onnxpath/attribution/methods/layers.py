"""Maps of a layer: any float tensor of the model, and how the target depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from onnxpath.attribution.registry import (
    Maps,
    begun_at_sources,
    change_from,
    gradients,
    like_sources,
    method,
    on_line,
    spelled,
    spelled_program,
    total,
    wide,
)
from onnxpath.attribution.spelling import Spelling
from onnxpath.errors import InputError
from onnxpath.graph.embeddings import named_sources
from onnxpath.graph.ir import Graph, Tensor
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.quadrature import points
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target

VALUE, SLOPE = "value", "slope"


def checked_layer(graph: Graph, layer: str | None) -> str:
    """Return the layer's name; InputError where none is given or it does not count rows first, UnknownName."""
    if layer is None:
        raise InputError("name the tensor whose map is wanted in `layer`: `onnxpath inspect MODEL --tensors`")
    (name,) = named_sources(graph, [layer])
    axis = None
    with suppress(MixedRows):
        axis = row_axes(graph).get(name)
    if axis:
        raise InputError(f"'{name}' counts rows on axis {axis}, and a map needs them on its first; name another tensor")
    return name


@spelled("layer-activation", needs=["layer"])
def layer_activation(spelling: Spelling, *, layer: str | None = None) -> dict[str, Tensor]:
    """Return the values of a layer, a map that asks nothing of the target: Captum's LayerActivation.

    layer: name of a float tensor. Raises InputError, UnknownName.
    """
    name = checked_layer(spelling.setup.model.graph, layer)
    spelling.begin(keep=[name])
    return {name: spelling.graph.tensor(name)}


@spelled("layer-gradient-x-activation", needs=["layer"])
def layer_gradient_x_activation(
    spelling: Spelling, *, layer: str | None = None, multiply_by_inputs: bool = True
) -> dict[str, Tensor]:
    """Return activation · gradient of a layer: input-x-gradient with the layer in `wrt` (Shrikumar et al., 2016).

    layer: name of a float tensor; multiply_by_inputs: False returns the gradient. Raises InputError, UnknownName.
    """
    name = checked_layer(spelling.setup.model.graph, layer)
    spelling.begin(keep=[name])
    grad, wide_ = spelling.gradients(wrt=[name])[name], spelling.wide
    return {name: spelling.op.Mul(wide_(spelling.graph.tensor(name)), wide_(grad)) if multiply_by_inputs else grad}


@method("conductance", needs=["layer"])
def conductance(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    layer: str | None = None,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
) -> Maps:
    """Return the part of integrated gradients that passes each unit of a layer (Dhamdhere et al., 2019).

    The sum over neighbours on the path from x' to x of gradient · change of the unit, as in Captum: n_steps + 1 points,
    the gradient at the first of each two. layer: name of a float tensor; baselines, n_steps, quadrature: as of
    integrated-gradients. The delta is sum(map) - (F(x) - F(x')), near zero where all paths pass the layer. Raises
    InputError, UnknownName.
    """
    path = _Path(model, feeds, target, layer, baselines)
    alphas, _ = points(quadrature, n_steps + 1)
    before = path.at(alphas[0])
    summed = np.zeros(before[VALUE].shape)
    for alpha in track(alphas[1:].tolist(), "conductance"):
        here = path.at(alpha)
        summed += before[SLOPE].astype(np.float64) * (wide(here[VALUE]) - wide(before[VALUE]))
        before = here
    return path.result(summed, complete=True)


@method("internal-influence", needs=["layer"])
def internal_influence(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    layer: str | None = None,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
) -> Maps:
    """Return the mean gradient of a layer along the path from x' to x (Leino et al., 2018).

    layer: name of a float tensor; baselines, n_steps, quadrature: as of integrated-gradients. Raises InputError,
    UnknownName.
    """
    path = _Path(model, feeds, target, layer, baselines)
    alphas, weights = points(quadrature, n_steps)
    steps = track(list(zip(alphas, weights, strict=True)), "internal influence")
    parts = (weight * path.at(alpha)[SLOPE].astype(np.float64) for alpha, weight in steps)
    return path.result(sum(parts, np.zeros(())), complete=False)


class _Path:
    """A layer's values and gradients along the line from the baselines to the input, for the target at its end."""

    def __init__(
        self, model: Model, feeds: Mapping[str, Array], target: Target, layer: str | None, baselines: Any
    ) -> None:
        checked_layer(model.graph, layer)
        self.model, self.feeds = begun_at_sources(model, feeds, target)
        self.layer = checked_layer(self.model.graph, layer)
        self.start = like_sources(self.model, self.feeds, "baselines", baselines)
        self.program = _value_and_slope(self.model, target, self.layer)
        self.target = target
        end = gradients(self.model, self.feeds, target, self.program)
        self.logits, self.dtype = end.logits, wide(end.maps[VALUE]).dtype
        self.fixed = target.fixed(end.logits)

    def at(self, alpha: float) -> dict[str, Array]:
        """Return VALUE and SLOPE at a point of the path."""
        between = {**self.feeds, **on_line(self.start, self.feeds, alpha)}
        return gradients(self.model, between, self.fixed, self.program).maps

    def result(self, summed: Array, complete: bool) -> Maps:
        """Return a map of the layer; complete: it sums to the change of the target."""
        maps = {self.layer: summed.astype(self.dtype)}
        if not complete:
            return Maps(maps, self.logits)
        change = change_from(self.model, self.feeds, self.start, self.target, self.logits)
        return Maps(maps, self.logits, total(maps) - change)


def _value_and_slope(model: Model, target: Target, layer: str) -> Session:
    setup = Setup.of(model, target, layers=())

    def spell(spelling: Spelling) -> dict[str, Tensor]:
        spelling.begin(keep=[layer])
        return {VALUE: spelling.graph.tensor(layer), SLOPE: spelling.gradients(wrt=[layer])[layer]}

    return setup.session("value and slope", lambda: spelled_program(spell, setup), layer)
