"""Which differences are decided: methods against the best one, and against the best baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onnxpath.evaluation.bootstrap import paired
from onnxpath.evaluation.result import BEHIND, BEST, BETTER, UNDECIDED, WORSE, Score, values_of


def judged(scores: Sequence[Score], samples: int, seed: int) -> list[Score]:
    """Return the scores of any metrics with their verdicts.

    A difference is decided where the 95 % interval of the paired difference, the same rows drawn for both, leaves out
    zero; anything smaller is undecided.
    """
    return [_judged(score, scores, samples, seed) for score in scores]


def _judged(score: Score, scores: Sequence[Score], samples: int, seed: int) -> Score:
    if score.baseline or not score.better or not score.rows:
        return score
    rivals = [s for s in scores if (s.metric, s.variant) == (score.metric, score.variant) and s.rows]
    best = _best([s for s in rivals if not s.baseline])
    if best is not None:
        lost = best is not score and _gain(best, score, samples, seed) > 0
        score = replace(score, against_best=BEST if best.method == score.method else BEHIND if lost else UNDECIDED)
    plain = _best([s for s in rivals if s.baseline])
    if plain is not None:
        gain = _gain(score, plain, samples, seed)
        found = {1: BETTER, 0: UNDECIDED, -1: WORSE}[gain]
        score = replace(score, against_baseline=found, baseline_named=plain.method)
    return score


def _best(scores: Sequence[Score]) -> Score | None:
    sign = -1 if scores and scores[0].better == "higher" else 1
    return min(scores, key=lambda s: sign * s.mean, default=None)


def _gain(a: Score, b: Score, samples: int, seed: int) -> int:
    """Return 1 where a is better than b, -1 where it is worse, 0 where that is undecided."""
    difference = paired(values_of(a), values_of(b), samples, seed)
    if not difference.rows or difference.low <= 0 <= difference.high:
        return 0
    return (1 if difference.mean > 0 else -1) * (1 if a.better == "higher" else -1)
