"""Shapley value sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.feature_mask import Features
from onnxpath.attribution.perturb import Probe, black_box
from onnxpath.attribution.registry import Maps
from onnxpath.errors import InputError
from onnxpath.runtime.model import MOST_ROWS, Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@black_box("shapley-value-sampling")
def shapley_value_sampling(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    feature_mask: Any = None,
    n_samples: int = 25,
    seed: int = 0,
) -> Maps:
    """Return the mean change of F as features go from baseline to x in random orders (Castro et al., 2009).

    baselines, feature_mask: as of feature-ablation; n_samples: orders, the same for all rows; seed: of their draw.
    Only runs the model, n_samples · (features − 1) times. The values of the features sum to F(x) − F(baselines).
    Raises InputError, UnknownName.
    """
    if n_samples < 1:
        raise InputError(f"n_samples must be at least 1, not {n_samples}")
    probe = Probe.of("shapley-value-sampling", model, feeds, target)
    starts, features = probe.baselines(baselines), Features.of(probe, feature_mask)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(features.count) for _ in range(n_samples)]
    return probe.result(features.spread(_values(probe, starts, features, orders)))


def _values(probe: Probe, starts: Mapping[str, Array], features: Features, orders: list[Array]) -> Array:
    """Return the mean change by each feature over the orders, float64 [features, N]."""
    inner = features.count - 1
    (start,) = probe.all_scores(1, lambda name, ks, rows, x: starts[name][rows])
    total = np.zeros((features.count, len(start)))
    # Orders go together as long as the scores of their steps are few.
    together = max(1, MOST_ROWS // max(1, inner * len(start)))
    for first in range(0, len(orders), together):
        some = orders[first : first + together]
        places = np.stack([np.argsort(order) for order in some])

        def stepped(name: str, ks: Array, rows: Array, x: Array, places: Array = places) -> Array:
            order, step = np.divmod(ks.reshape(-1, *[1] * (x.ndim - 1)), inner)
            return np.where(places[order, features.masks[name][rows]] <= step, x, starts[name][rows])

        scores = probe.all_scores(len(some) * inner, stepped).reshape(len(some), inner, len(start))
        for order, steps in zip(some, scores, strict=True):
            total[order] += np.diff(np.concatenate([start[None], steps, probe.scores[None]]), axis=0)
    return total / len(orders)
