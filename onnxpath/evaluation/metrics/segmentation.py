"""Segmentation: the thresholded map against an exact mask of the object."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.registry import HIGHER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.evaluation.threshold import THRESHOLDS
from onnxpath.runtime.session import Array


@metric("segmentation-miou", better=HIGHER, needs=("masks",))
def miou(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Mean of the overlaps of object and of background with the thresholded positive relevance, by each threshold."""
    inside = _inside(subject)

    def overlap(found: Array) -> Array:
        pairs = ((found, inside), (~found, ~inside))
        overlaps = [(a & b).sum(1) / np.maximum((a | b).sum(1), 1) for a, b in pairs]
        return np.asarray(np.mean(overlaps, 0))

    return {name: Measured(overlap(found)) for name, found in _thresholded(explanation).items()}


@metric("pixel-accuracy", better=HIGHER, needs=("masks",))
def pixel_accuracy(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Fraction of positions that the thresholded positive relevance puts on the right side, by each threshold."""
    inside = _inside(subject)
    return {name: Measured((found == inside).mean(1)) for name, found in _thresholded(explanation).items()}


def _inside(subject: Subject) -> Array:
    assert subject.masks is not None
    return subject.masks.reshape(subject.rows, -1)


def _thresholded(explanation: Explanation) -> dict[str, Array]:
    values = explanation.reduced("positive")
    return {
        name: values > np.asarray([threshold(row) for row in values])[:, None] for name, threshold in THRESHOLDS.items()
    }
