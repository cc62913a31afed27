"""Integrated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.registry import Maps, begun_at_sources, gradients, like_sources, method, wide
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.pathway.quadrature import points
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@method("integrated-gradients")
def integrated_gradients(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
) -> Maps:
    """Return (x - x') · mean gradient on the straight line from x' to x (Sundararajan et al., 2017).

    baselines: x', a scalar, an array that broadcasts to the input (or the embedding), or a dict by name; default 0 in
    the model's input space. n_steps: points; quadrature: what Captum calls method, or "midpoint". Steps are added up
    as they come, so memory does not grow with n_steps. The convergence delta is sum(map) - (F(x) - F(x')).
    Raises InputError, UnknownName: baselines that fit no input, no quadrature of that name.
    """
    model, feeds = begun_at_sources(model, feeds, target)
    start = like_sources(model, feeds, "baselines", baselines)
    logits = _logits(model, feeds, target)
    fixed = target.fixed(logits)
    total = {name: np.zeros(feeds[name].shape, np.float64) for name in start}
    for alpha, weight in zip(*points(quadrature, n_steps), strict=True):
        between = {name: (x0 + alpha * (feeds[name] - x0)).astype(feeds[name].dtype) for name, x0 in start.items()}
        for name, grad in gradients(model, {**feeds, **between}, fixed).maps.items():
            total[name] += weight * grad
    maps = {name: (wide(feeds[name]) - x0) * total[name] for name, x0 in start.items()}
    change = fixed.score(logits) - fixed.score(_logits(model, {**feeds, **start}, target))
    delta = sum(m.reshape(len(m), -1).sum(1) for m in maps.values()) - change
    return Maps({name: m.astype(wide(feeds[name]).dtype) for name, m in maps.items()}, logits, np.asarray(delta))


def _logits(model: Model, feeds: Mapping[str, Array], target: Target) -> Array:
    program = Setup.of(model, target, layers=()).forward()
    return np.concatenate([program.run(part)[LOGITS][: r.stop - r.start] for part, r in model.batches(feeds)])
