"""NeuronIntGrad: integrated gradients of every neuron, one layer scaled at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from onnxpath.backward.target import Readout
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.pathway.quadrature import points
from onnxpath.pathway.selectors.registry import Scores, selector
from onnxpath.progress import track
from onnxpath.runtime.session import Array, on_host
from onnxpath.runtime.targets import Target


@selector("neuron-intgrad")
def neuron_intgrad(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Mapping[str, Array],
    rows: slice,
    activity: bool,
    *,
    n_steps: int = 10,
    quadrature: str = "midpoint",
) -> Scores:
    """Score each neuron by activation · mean gradient along alpha · activation, alpha in [0, 1] (Khakzar et al., 2021).

    n_steps: evaluation points, 10 as in the paper; quadrature: "midpoint" | "gausslegendre". Per layer the signed
    scores sum to F(x) - F(layer = 0).
    """
    values = setup.exposed().run_on_device(feeds)
    logits = on_host(values[LOGITS])
    signed = {layer.name: scores for layer, scores, _ in integrate(setup, feeds, target, n_steps, quadrature, values)}
    inactive = None
    if activity:
        inactive = {layer.name: on_host(values[layer.name]) <= 0 for layer in setup.layers if layer.has_zero}
    return Scores(logits, signed, inactive)


def integrate(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Mapping[str, Array],
    n_steps: int,
    quadrature: str,
    values: Mapping[str, Any] | None = None,
    with_baseline: bool = False,
) -> Iterator[tuple[NeuronLayer, Array, Array | None]]:
    """Yield (layer, signed scores, logits with that layer at zero or None) for each layer.

    values: what `setup.exposed()` gives for these feeds, computed once: each layer's program starts at that layer.
    Steps are added up as they come, never stacked.
    """
    start = values if values is not None else setup.exposed().run_on_device(feeds)
    logits = on_host(start[LOGITS])
    fixed = _fixed(target, logits)
    alphas, weights = points(quadrature, n_steps)
    for layer in track(setup.layers, "neuron-intgrad"):
        dtype = setup.dtypes[layer.name]
        wide = np.promote_types(dtype, np.float32)
        program = setup.path_integral(layer)
        given = {name: start[name] if name in start else feeds[name] for name in setup.cut(layer)}
        activation = on_host(start[layer.name])
        total: Any = np.zeros(activation.shape, wide)
        for alpha, weight in zip(alphas, weights, strict=True):
            step = {"alpha": dtype.type(alpha), "weight": wide.type(weight), "sum": total}
            total = program.run_on_device({**given, **fixed, **step}, ["total"])["total"]
        at_zero = None
        if with_baseline:
            step = {"alpha": dtype.type(0), "weight": wide.type(0), "sum": np.zeros(activation.shape, wide)}
            at_zero = program.run({**given, **fixed, **step}, [LOGITS])[LOGITS]
        yield layer, activation * on_host(total), at_zero


def _fixed(target: Mapping[str, Array], logits: Array) -> dict[str, Array]:
    """A scaled layer may change the prediction; the target stays that of the whole network."""
    ((kind, values),) = target.items()
    return Target(Readout("", "", None), kind, values).fixed(logits).feed(slice(None))
