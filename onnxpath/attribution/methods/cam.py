"""Class activation maps: a layer's activations, weighted by gradients, added up over channels, and interpolated.

A map has one value for each position: the axes of the input, that of the channels of size 1.
"""

from __future__ import annotations

from typing import Any

from onnxpath.attribution.layer_map import LayerMap, chosen_layer
from onnxpath.attribution.registry import Maps, spelled
from onnxpath.attribution.spelling import Spelling
from onnxpath.graph.ir import Tensor
from onnxpath.rules.variants import guided_backprop
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import Target

CAMS = ("grad-cam", "grad-cam-plus-plus", "hires-cam", "xgrad-cam", "layer-cam", "guided-grad-cam")
"""Methods that need a layer with positions; the maps of all but the last have one channel."""


def say_layer(model: Model, target: Target, result: Maps, *, layer: str | None, **options: Any) -> None:
    """Note which layer was chosen."""
    if layer is None:
        name = chosen_layer(model.graph, model.sources, target.readout.name, None)
        sizes = " × ".join(str(d) if isinstance(d, int) else "?" for d in model.graph.tensor(name).shape[1:])
        result.notes.append(f"the layer is '{name}' [{sizes}], the last with positions; `layer` names another")


@spelled("grad-cam", finish=say_layer)
def grad_cam(
    spelling: Spelling, *, layer: str | None = None, relu_attributions: bool = True, interpolate: str = "linear"
) -> dict[str, Tensor]:
    """Return activations, each channel weighted by its mean gradient, summed (Selvaraju et al., 2017).

    layer: the tensor whose activations these are, default the last one with positions; relu_attributions: drop what is
    below zero; interpolate: "linear" | "nearest". Raises UnknownName; ModelError (no layer with positions).
    """
    at = LayerMap.begin(spelling, layer)
    weighted = at.op.Mul(at.mean(at.gradient), at.activation)
    return at.on_sources(weighted, relu_attributions, interpolate)


@spelled("grad-cam-plus-plus", finish=say_layer)
def grad_cam_plus_plus(
    spelling: Spelling, *, layer: str | None = None, relu_attributions: bool = True, interpolate: str = "linear"
) -> dict[str, Tensor]:
    """Return activations, channels weighted by gradients above zero over 2 + Σ a · g (Chattopadhay et al., 2018).

    The closed form of equation 19 for an exponential of the logit, without that exponential, which scales each row's
    map: g² / (2 g² + Σ a · g³) = 1 / (2 + g · Σ a). Options as of grad-cam.
    """
    at = LayerMap.begin(spelling, layer)
    below = at.op.Add(2, at.op.Mul(at.gradient, at.sum(at.activation)))
    weights = at.sum(_ratio(at, at.op.Relu(at.gradient), below))
    return at.on_sources(at.op.Mul(weights, at.activation), relu_attributions, interpolate)


@spelled("hires-cam", finish=say_layer)
def hires_cam(
    spelling: Spelling, *, layer: str | None = None, relu_attributions: bool = False, interpolate: str = "linear"
) -> dict[str, Tensor]:
    """Return activation · gradient summed over channels (Draelos and Carin, 2020); options as of grad-cam."""
    at = LayerMap.begin(spelling, layer)
    return at.on_sources(at.op.Mul(at.gradient, at.activation), relu_attributions, interpolate)


@spelled("xgrad-cam", finish=say_layer)
def xgrad_cam(
    spelling: Spelling, *, layer: str | None = None, relu_attributions: bool = True, interpolate: str = "linear"
) -> dict[str, Tensor]:
    """Return activations, channels weighted by gradients averaged with weights a / Σ a (Fu et al., 2020).

    A channel whose activations add up to zero has the weight zero. Options as of grad-cam.
    """
    at = LayerMap.begin(spelling, layer)
    both = at.sum(at.op.Mul(at.gradient, at.activation))
    weights = _ratio(at, both, at.sum(at.activation))
    return at.on_sources(at.op.Mul(weights, at.activation), relu_attributions, interpolate)


@spelled("layer-cam", finish=say_layer)
def layer_cam(
    spelling: Spelling, *, layer: str | None = None, relu_attributions: bool = True, interpolate: str = "linear"
) -> dict[str, Tensor]:
    """Return activations weighted by gradients above zero, place by place (Jiang et al., 2021); options: grad-cam's."""
    at = LayerMap.begin(spelling, layer)
    return at.on_sources(at.op.Mul(at.op.Relu(at.gradient), at.activation), relu_attributions, interpolate)


@spelled("guided-grad-cam", finish=say_layer)
def guided_grad_cam(spelling: Spelling, *, layer: str | None = None, interpolate: str = "linear") -> dict[str, Tensor]:
    """Return guided backprop times grad-cam, of the input's shape (Selvaraju et al., 2017); options as of grad-cam."""
    at = LayerMap.begin(spelling, layer)
    weighted = at.op.Mul(at.mean(at.gradient), at.activation)
    maps = at.on_sources(weighted, True, interpolate)
    guided = spelling.gradients(guided_backprop)
    return {source: at.op.Mul(spelling.wide(guided[source]), cam) for source, cam in maps.items()}


def _ratio(at: LayerMap, above: Tensor, below: Tensor) -> Tensor:
    """Return a quotient, zero where it has no value."""
    zero = at.op.like(0, below)
    empty = at.op.Equal(below, zero)
    whole = at.op.Div(above, at.op.Where(empty, at.op.like(1, below), below))
    ratio: Tensor = at.op.Where(empty, zero, whole)
    return ratio
