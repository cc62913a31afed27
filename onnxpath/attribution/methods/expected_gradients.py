"""Integrated gradients in expectation over baselines: expected gradients, and GradientSHAP with noise on the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.distribution import distribution
from onnxpath.attribution.noise import deviations, noisy, samples
from onnxpath.attribution.registry import Maps, begun_at_sources, gradients, logits_of, method, total, wide
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@method("expected-gradients")
def expected_gradients(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    n_samples: int = 50,
    seed: int = 0,
    multiply_by_inputs: bool = True,
) -> Maps:
    """Return the mean of (x - x') · gradient at a random point between x and a random x' (Erion et al., 2021).

    baselines: the sample that x' is drawn from, array [B, ...] of rows like the input's, or a dict of those by name;
    default one of zeros; n_samples: draws, the same for all rows; seed: of the draws; multiply_by_inputs: False leaves
    out (x - x'). The delta is sum(map) - (F(x) - mean F(x')) over the drawn x'. Raises InputError, UnknownName.
    """
    return expectation(model, feeds, target, baselines, n_samples, 0.0, seed, multiply_by_inputs)


@method("gradient-shap")
def gradient_shap(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    n_samples: int = 50,
    stdevs: Any = 0.0,
    seed: int = 0,
    multiply_by_inputs: bool = True,
) -> Maps:
    """Return expected gradients with Gaussian noise on x too (Lundberg and Lee, 2017).

    stdevs: standard deviation of the noise in the input's units, a number or a dict by name; the others: as of
    expected-gradients. Raises as it does.
    """
    return expectation(model, feeds, target, baselines, n_samples, stdevs, seed, multiply_by_inputs)


def expectation(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    baselines: Any,
    n_samples: int,
    stdevs: Any,
    seed: int,
    multiply_by_inputs: bool,
) -> Maps:
    """Return the mean over the draws, added up as they come. A draw is a baseline, a point in [0, 1), and noise."""
    model, feeds = begun_at_sources(model, feeds, target)
    starts, spread = distribution(model, feeds, baselines), deviations(model, feeds, stdevs)
    logits = logits_of(model, feeds, target)
    fixed, rng = target.fixed(logits), np.random.default_rng(seed)
    sums = {name: np.zeros(feeds[name].shape, np.float64) for name in model.sources}
    drawn: Counter[int] = Counter()
    for _ in track(samples(n_samples), "expectation"):
        index, alpha = int(rng.integers(starts.count)), rng.random()
        drawn[index] += 1
        start = starts.row(index)
        x = noisy(rng, feeds, spread) if any(np.any(s) for s in spread.values()) else feeds
        between = {n: (alpha * x[n] + (1 - alpha) * x0).astype(x0.dtype) for n, x0 in start.items()}
        for name, grad in gradients(model, {**feeds, **between}, fixed).maps.items():
            sums[name] += grad.astype(np.float64) * ((wide(x[name]) - start[name]) if multiply_by_inputs else 1)
    maps = {name: (s / n_samples).astype(wide(feeds[name]).dtype) for name, s in sums.items()}
    if not multiply_by_inputs:
        return Maps(maps, logits, notes=starts.notes)
    at_start = sum(
        times * fixed.score(logits_of(model, {**feeds, **starts.row(index)}, target)) for index, times in drawn.items()
    )
    delta = total(maps) - (fixed.score(logits) - at_start / n_samples)
    return Maps(maps, logits, np.asarray(delta), notes=starts.notes)
