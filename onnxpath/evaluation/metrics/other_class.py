"""Randomised logit: does the map change when another class is explained?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.evaluation.explanation import REDUCED, Explanation
from onnxpath.evaluation.registry import NEITHER, Measured, metric
from onnxpath.evaluation.similarity import similarities
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array


@metric("random-logit", better=NEITHER, needs=("classes",))
def random_logit(subject: Subject, explanation: Explanation, *, draws: int = 2) -> Mapping[str, Measured]:
    """Similarity of the map to that of another class, drawn at random (Sixt et al., 2020): near 1 it knows no class.

    draws: other classes for each row, whose similarities are averaged.
    """
    count = subject.logits[0].size
    rng = np.random.default_rng([subject.seed, 6])
    original = explanation.reduced("largest")
    totals: dict[str, Array] = {}
    for _ in range(draws):
        # Any class but the target: a step of 1 to count − 1 around the circle.
        others = (subject.target.values + rng.integers(1, count, subject.rows)) % count
        changed = REDUCED["largest"](explanation.again(subject.with_target(others)))
        for row, (a, b) in enumerate(zip(original, changed, strict=True)):
            for name, value in similarities(a, b, subject.layout.spatial).items():
                totals.setdefault(name, np.zeros(subject.rows))[row] += value / draws
    return {name: Measured(values) for name, values in totals.items()}
