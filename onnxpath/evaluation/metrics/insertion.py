"""Deletion and insertion: the score while the most relevant positions go, or come back, first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.order import area, counts, places
from onnxpath.evaluation.perturbed import degraded
from onnxpath.evaluation.rankings import by_ranking
from onnxpath.evaluation.registry import HIGHER, LOWER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array

PERCENTS = tuple(range(0, 101, 5))


@metric("deletion", better=LOWER)
def deletion(
    subject: Subject,
    explanation: Explanation,
    *,
    steps: Sequence[float] = PERCENTS,
    replace: str = "mean",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Area under the score while the most relevant positions are removed first (Petsiuk et al., 2018).

    steps: percentages removed; replace: what stands there instead; score: softmax | logit. The area is divided by the
    range of the steps, so that it is a mean score.
    """
    return _areas(subject, explanation, steps, replace, score, False, "% of positions removed")


@metric("insertion", better=HIGHER)
def insertion(
    subject: Subject,
    explanation: Explanation,
    *,
    steps: Sequence[float] = PERCENTS,
    replace: str = "mean",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Area under the score while the most relevant positions come back first (Petsiuk et al., 2018; from blur there).

    Options as of deletion; replace: what the row starts from.
    """
    return _areas(subject, explanation, steps, replace, score, True, "% of positions shown")


def _areas(
    subject: Subject,
    explanation: Explanation,
    steps: Sequence[float],
    replace: str,
    score: str,
    inserting: bool,
    along: str,
) -> Mapping[str, Measured]:
    limits = counts(steps, subject.layout.positions)

    def measure(order: Array) -> Measured:
        curve = degraded(subject, order, limits, replace, score, inserting)
        mean = area(curve, steps) / (steps[-1] - steps[0]) if len(steps) > 1 else curve[:, 0]
        return Measured(mean, curve, list(steps), along)

    return by_ranking(explanation, partial(places, most_first=True), measure)
