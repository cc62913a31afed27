"""Input degradation: remove the least or the most relevant positions first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.order import area, places, removed
from onnxpath.evaluation.perturbed import degraded, read
from onnxpath.evaluation.rankings import by_ranking
from onnxpath.evaluation.registry import HIGHER, LOWER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array

PERCENTS = tuple(range(1, 11))
ALONG = "% of positions removed"


@metric("lerf", better=LOWER)
def lerf(
    subject: Subject,
    explanation: Explanation,
    *,
    steps: Sequence[float] = PERCENTS,
    replace: str = "mean",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Relative change of the score while the least relevant positions are removed first (Khakzar et al., 2021).

    steps: percentages removed, each from the whole input; replace: what stands there instead; score: softmax | logit.
    Returns for each ranking the area under |p − p(q)| / p over q, from q = 0; rows whose score is 0 have none.
    """
    return _change(subject, explanation, steps, replace, score, most_first=False)


@metric("morf", better=HIGHER)
def morf(
    subject: Subject,
    explanation: Explanation,
    *,
    steps: Sequence[float] = PERCENTS,
    replace: str = "mean",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Relative change of the score while the most relevant positions are removed first; options as of lerf."""
    return _change(subject, explanation, steps, replace, score, most_first=True)


@metric("road", better=LOWER, needs=("picture", "classes"))
def road(
    subject: Subject,
    explanation: Explanation,
    *,
    steps: Sequence[float] = (10, 20, 30, 40, 50, 60, 70, 80, 90),
    replace: str = "linear",
    score: str = "kept",
) -> Mapping[str, Measured]:
    """Fraction of predictions kept while the most relevant positions are imputed away (ROAD, Rong et al., 2022).

    Returns for each ranking the area under the curve from 0 % to the last step, divided by its length.
    """
    at = sorted({0.0, *steps})

    def measure(order: Array) -> Measured:
        curve = degraded(subject, order, removed(at, subject.layout.positions), replace, score)
        return Measured(area(curve, at) / at[-1], curve, at, ALONG)

    return by_ranking(explanation, partial(places, most_first=True), measure)


def _change(
    subject: Subject, explanation: Explanation, steps: Sequence[float], replace: str, score: str, most_first: bool
) -> Mapping[str, Measured]:
    limits = removed(steps, subject.layout.positions)
    whole = read(score, subject.logits, subject.target)[:, None]
    at = [0.0, *steps]

    def measure(order: Array) -> Measured:
        drop = np.abs(whole - degraded(subject, order, limits, replace, score))
        change = np.divide(drop, np.abs(whole), out=np.full_like(drop, np.nan), where=whole != 0)
        curve = np.concatenate([np.zeros((subject.rows, 1)), change], 1)
        return Measured(area(curve, at) / 100, curve, at, ALONG)

    return by_ranking(explanation, partial(places, most_first=most_first), measure)
