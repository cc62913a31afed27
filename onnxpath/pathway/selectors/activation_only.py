"""Activation-only: a control that asks nothing of the target."""

from __future__ import annotations

from collections.abc import Mapping

from onnxpath.pathway.programs import ACTIVATION, LOGITS, Setup
from onnxpath.pathway.selectors.registry import Scores, drop_prefix, selector
from onnxpath.runtime.session import Array


@selector("activation-only", control=True)
def activation_only(
    setup: Setup, feeds: Mapping[str, Array], target: Mapping[str, Array], rows: slice, activity: bool
) -> Scores:
    """Score each neuron by its activation: a control beside the scores that ask about a target."""
    values = setup.activations().run(feeds)
    activations = drop_prefix(values, ACTIVATION)
    defined = {layer.name for layer in setup.layers if layer.has_zero}
    inactive = {name: a <= 0 for name, a in activations.items() if name in defined} if activity else None
    return Scores(values[LOGITS], activations, inactive)
