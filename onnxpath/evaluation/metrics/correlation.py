"""Does the relevance of a set of positions say how far the score drops without them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.order import counts
from onnxpath.evaluation.perturbed import degraded, read
from onnxpath.evaluation.registry import HIGHER, Measured, metric
from onnxpath.evaluation.similarity import pearson
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array


@metric("sensitivity-n", better=HIGHER)
def sensitivity_n(
    subject: Subject,
    explanation: Explanation,
    *,
    sizes: Sequence[float] = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90),
    subsets: int = 50,
    replace: str = "zero",
    score: str = "logit",
) -> Mapping[str, Measured]:
    """Correlation of a random set's relevance with the drop of the score without it (Ancona et al., 2018).

    sizes: of the sets, in percent of the positions; subsets: how many of each size; replace, score: as of lerf.
    Relevance of a position is the sum over channels. Returns the mean over sizes.
    """
    curve = _correlations(subject, explanation, sizes, subsets, replace, score)
    return {"": Measured(curve.mean(1), curve, list(sizes), "% of positions removed")}


@metric("faithfulness-correlation", better=HIGHER)
def faithfulness_correlation(
    subject: Subject,
    explanation: Explanation,
    *,
    size: float = 10,
    subsets: int = 100,
    replace: str = "mean",
    score: str = "logit",
) -> Mapping[str, Measured]:
    """Correlation of a random set's relevance with the drop of the score without it (Bhatt et al., 2020).

    size: of the sets, in percent of the positions; other options as of sensitivity-n.
    """
    return {"": Measured(_correlations(subject, explanation, [size], subsets, replace, score)[:, 0])}


def _correlations(
    subject: Subject, explanation: Explanation, sizes: Sequence[float], subsets: int, replace: str, score: str
) -> Array:
    """Return the correlation over random sets of each size, [N, sizes]; the sets of one draw lie in each other."""
    positions = subject.layout.positions
    limits = [max(1, count) for count in counts(sizes, positions)]
    if subsets < 2:
        raise InputError(f"a correlation needs at least 2 subsets; {subsets} were asked for")
    relevance = explanation.reduced("sum")
    whole = read(score, subject.logits, subject.target)[:, None]
    rng = np.random.default_rng([subject.seed, 3])
    sums, drops = (np.empty((subsets, subject.rows, len(limits))) for _ in range(2))
    for draw in range(subsets):
        order = rng.permuted(np.broadcast_to(np.arange(positions), (subject.rows, positions)), axis=1)
        drops[draw] = whole - degraded(subject, order, limits, replace, score)
        for place, limit in enumerate(limits):
            sums[draw, :, place] = np.where(order < limit, relevance, 0).sum(1)
    pairs = np.ndindex(subject.rows, len(limits))
    found = [pearson(sums[:, row, place], drops[:, row, place]) for row, place in pairs]
    return np.reshape(found, (subject.rows, len(limits)))
