"""Region perturbation: remove whole patches, the most or the least relevant first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.order import places
from onnxpath.evaluation.perturbed import degraded, read
from onnxpath.evaluation.rankings import by_ranking
from onnxpath.evaluation.registry import HIGHER, LOWER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array


@metric("region-perturbation", better=HIGHER)
def region_perturbation(
    subject: Subject,
    explanation: Explanation,
    *,
    patch: int = 0,
    regions: int = 0,
    replace: str = "uniform",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Mean drop of the score while the most relevant patches are removed first (AOPC, Samek et al., 2017).

    patch: side in positions, default (0) a sixteenth of the longest side, the shortest at most; regions: how many
    patches are removed, default (0) 30 % of them. Patches are ranked by the sum of their positions' relevance. AOPC is
    the mean of f(x) − f(x without the first k patches) over k from 0.
    """
    return _drops(subject, explanation, patch, regions, replace, score, most_first=True)


@metric("region-lerf", better=LOWER)
def region_lerf(
    subject: Subject,
    explanation: Explanation,
    *,
    patch: int = 0,
    regions: int = 0,
    replace: str = "uniform",
    score: str = "softmax",
) -> Mapping[str, Measured]:
    """Mean drop of the score while the least relevant patches are removed first; options as of region-perturbation."""
    return _drops(subject, explanation, patch, regions, replace, score, most_first=False)


def _drops(
    subject: Subject, explanation: Explanation, patch: int, regions: int, replace: str, score: str, most_first: bool
) -> Mapping[str, Measured]:
    spatial = subject.layout.spatial
    side = patch or max(1, min(round(max(spatial) / 16), min(spatial)))
    if side > min(spatial):
        raise InputError(f"patches of {side} do not fit rows of {'×'.join(map(str, spatial))}")
    of = patches(spatial, side)
    total = int(of.max()) + 1
    count = min(regions or max(1, round(0.3 * total)), total)
    whole = read(score, subject.logits, subject.target)[:, None]

    def order_of(relevance: Array) -> Array:
        sums = np.stack([np.bincount(of, row, total) for row in relevance])
        return np.asarray(places(sums, most_first)[:, of])

    def measure(order: Array) -> Measured:
        drop = whole - degraded(subject, order, range(count + 1), replace, score)
        return Measured(drop.mean(1), drop, range(count + 1), f"patches of {side} removed")

    return by_ranking(explanation, order_of, measure)


def patches(spatial: Sequence[int], side: int) -> Array:
    """Return the number of the patch that each position lies in, int64 [positions]; the last ones may be smaller."""
    grid = [-(-size // side) for size in spatial]
    index = np.indices(tuple(spatial)).reshape(len(spatial), -1) // side
    return np.asarray(np.ravel_multi_index(tuple(index), tuple(grid)), np.int64)
