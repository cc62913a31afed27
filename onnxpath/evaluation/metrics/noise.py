"""Small noise on the input: does the map foresee what it does, and does the map itself hold still?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.attribution.registry import logits_of
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.perturbed import read
from onnxpath.evaluation.registry import LOWER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array


@metric("infidelity", better=LOWER)
def infidelity(
    subject: Subject, explanation: Explanation, *, noise: float = 0.1, draws: int = 50, score: str = "logit"
) -> Mapping[str, Measured]:
    """Mean squared error of the map's forecast of what noise does to the score (Yeh et al., 2019).

    E[(β I·map − (f(x) − f(x − I)))²] with I normal; noise: its deviation in standard deviations of each channel;
    draws: how many; β: the factor of at least 0 that fits best, so that the scale of a map does not count. Divided by
    E[(f(x) − f(x − I))²]: 0 is a perfect forecast, 1 is none. A map of one channel stands for all of them.
    """
    spread = _spread(subject)
    channels = subject.planes.shape[1]
    relevance = np.broadcast_to(explanation.planes, subject.planes.shape)
    relevance = relevance / (channels / explanation.planes.shape[1])
    whole = read(score, subject.logits, subject.target)
    forecast, change = np.empty((draws, subject.rows)), np.empty((draws, subject.rows))
    for draw in range(draws):
        rng = np.random.default_rng([subject.seed, 4, draw])
        pushed = noise * spread * rng.standard_normal(subject.planes.shape)
        forecast[draw] = (pushed * relevance).sum((1, 2))
        moved = subject.with_x(subject.x - subject.layout.rows(pushed))
        change[draw] = whole - read(score, logits_of(moved.model, moved.feeds, moved.target), moved.target)
    return {"": Measured(_unexplained(forecast, change))}


@metric("max-sensitivity", better=LOWER)
def max_sensitivity(
    subject: Subject, explanation: Explanation, *, radius: float = 0.1, draws: int = 10
) -> Mapping[str, Measured]:
    """Largest relative change of the map under small noise on the input (Yeh et al., 2019).

    max ‖map(x + δ) − map(x)‖ / ‖map(x)‖ over draws of δ, uniform within ± radius standard deviations of each channel.
    A map that is zero has none. Chance and edges hold still too: this is worth something beside a faithful map only.
    """
    original = explanation.planes
    spread = _spread(subject)
    sizes = np.linalg.norm(original.reshape(subject.rows, -1), axis=1)
    largest = np.zeros(subject.rows)
    for draw in range(draws):
        rng = np.random.default_rng([subject.seed, 5, draw])
        pushed = radius * spread * rng.uniform(-1, 1, subject.planes.shape)
        other = explanation.again(subject.with_x(subject.x + subject.layout.rows(pushed)))
        largest = np.maximum(largest, np.linalg.norm((other - original).reshape(subject.rows, -1), axis=1))
    return {"": Measured(np.divide(largest, sizes, out=np.full(subject.rows, np.nan), where=sizes > 0))}


def _spread(subject: Subject) -> Array:
    """Standard deviation of each channel over all rows given, [channels, 1]."""
    return np.asarray(subject.planes.std((0, 2), dtype=np.float64)[:, None])


def _unexplained(forecast: Array, change: Array) -> Array:
    """Return what the best multiple of the forecast leaves of the change, as a fraction, by row; [draws, N] -> [N]."""
    squares, total = (forecast**2).sum(0), (change**2).sum(0)
    # A map that foresees the opposite is no better than none.
    both = np.maximum((forecast * change).sum(0), 0)
    explained = np.divide(both**2, squares, out=np.zeros_like(both), where=squares > 0)
    return np.asarray(np.divide(total - explained, total, out=np.full(len(total), np.nan), where=total > 0))
