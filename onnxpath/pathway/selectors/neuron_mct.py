"""NeuronMCT: marginal contribution by first-order Taylor, one backward pass for all neurons."""

from __future__ import annotations

from collections.abc import Mapping

from onnxpath.pathway.programs import INACTIVE, LOGITS, SCORE, Setup
from onnxpath.pathway.selectors.registry import Scores, drop_prefix, selector
from onnxpath.runtime.session import Array, on_host


@selector("neuron-mct")
def neuron_mct(
    setup: Setup, feeds: Mapping[str, Array], target: Mapping[str, Array], rows: slice, activity: bool
) -> Scores:
    """Score each neuron by activation · gradient of the target's logit (Khakzar et al., CVPR 2021, NeuronMCT)."""
    values = setup.contributions(activity).keep({**feeds, **target})
    inactive = {name: on_host(v) for name, v in drop_prefix(values, INACTIVE).items()} if activity else None
    return Scores(on_host(values[LOGITS]), drop_prefix(values, SCORE), inactive)
