"""Random: the control that every selector is compared with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.pathway.programs import Setup
from onnxpath.pathway.selectors.activation_only import activation_only
from onnxpath.pathway.selectors.registry import Scores, rows_rng, selector
from onnxpath.runtime.session import Array


@selector("random", control=True)
def random(
    setup: Setup, feeds: Mapping[str, Array], target: Mapping[str, Array], rows: slice, activity: bool, *, seed: int = 0
) -> Scores:
    """Score each neuron by a uniform draw: the control of Khakzar et al. (CVPR 2021), who draw in each layer by itself.

    seed: each row's draw depends on it and on the row's number alone; scope "layer" is the published variant.
    """
    scores = activation_only(setup, feeds, target, rows, activity)
    drawn = {name: np.empty(a.shape, np.float64) for name, a in scores.signed.items()}
    count = len(scores.logits)
    for index in range(count):
        rng = rows_rng(seed, rows.start + index, "random")
        for values in drawn.values():
            # 1 - [0, 1) is (0, 1]: a score of exactly zero would never be kept.
            values[index] = 1 - rng.random(values.shape[1:])
    return Scores(scores.logits, drawn, scores.inactive)
