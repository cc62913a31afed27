"""Feature ablation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.feature_mask import Features
from onnxpath.attribution.perturb import Probe, black_box
from onnxpath.attribution.registry import Maps
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@black_box("feature-ablation")
def feature_ablation(
    model: Model, feeds: Mapping[str, Array], target: Target, *, baselines: Any = None, feature_mask: Any = None
) -> Maps:
    """Return F(x) − F(x with a feature at its baseline), at every place of the feature (as in Captum).

    baselines: a number, an array that broadcasts to the input, a tuple of those in the inputs' order, or a dict by
    name; default 0. feature_mask: integers, of the same kinds: places with one number are one feature, in all inputs;
    default every value is one. Only runs the model, once for each feature. Raises InputError, UnknownName.
    """
    probe = Probe.of("feature-ablation", model, feeds, target)
    starts, features = probe.baselines(baselines), Features.of(probe, feature_mask)

    def ablated(name: str, ks: Array, rows: Array, x: Array) -> Array:
        wanted = ks.reshape(-1, *[1] * (x.ndim - 1))
        return np.where(features.masks[name][rows] == wanted, starts[name][rows], x)

    drops = probe.scores - probe.all_scores(features.count, ablated)
    return probe.result(features.spread(drops))
