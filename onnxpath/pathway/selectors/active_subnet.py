"""Active subnet: the neurons that are on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.pathway.programs import Setup
from onnxpath.pathway.selectors.activation_only import activation_only
from onnxpath.pathway.selectors.registry import Scores, selector
from onnxpath.runtime.session import Array


@selector("active-subnet", control=True, own_density=True)
def active_subnet(
    setup: Setup, feeds: Mapping[str, Array], target: Mapping[str, Array], rows: slice, activity: bool
) -> Scores:
    """Keep exactly the active neurons, whatever sparsity is asked for (Khakzar et al., CVPR 2021).

    Where "inactive" is not defined (GELU, Tanh, ...) no neuron is off, and all are kept.
    """
    scores = activation_only(setup, feeds, target, rows, True)
    assert scores.inactive is not None
    off = scores.inactive
    masks = {name: ~off[name] if name in off else np.ones(a.shape, bool) for name, a in scores.signed.items()}
    return Scores(scores.logits, scores.signed, off if activity else None, lambda *_: masks, takes_sparsity=False)
