"""Localisation: is relevance where the object is?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.errors import unknown
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.registry import HIGHER, LOWER, Measured, metric
from onnxpath.evaluation.subject import Subject
from onnxpath.evaluation.threshold import THRESHOLDS, largest_component
from onnxpath.runtime.session import Array

PARTS = ("positive", "absolute")
"""Relevance is the positive part of the sum over channels, or the sum of magnitudes; both are reported."""


@metric("pointing-game", better=HIGHER, needs=("masks",))
def pointing_game(subject: Subject, explanation: Explanation, *, tolerance: int = 0) -> Mapping[str, Measured]:
    """Whether the most relevant position lies in the object (Zhang et al., 2018); tolerance: pixels beside it."""
    near = _grown(_inside(subject), tolerance, subject.layout.spatial)
    rows = np.arange(subject.rows)
    hits = {part: near[rows, explanation.reduced(part).argmax(1)] for part in PARTS}
    return {part: Measured(_where_any(hit, near)) for part, hit in hits.items()}


@metric("energy-pointing-game", better=HIGHER, needs=("masks",))
def energy_pointing_game(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Fraction of the relevance that lies in the object (Wang et al., 2020)."""
    inside = _inside(subject)
    totals = {part: explanation.reduced(part) for part in PARTS}
    return {part: Measured(_where_any(_divide((v * inside).sum(1), v.sum(1)), inside)) for part, v in totals.items()}


@metric("outside-inside-ratio", better=LOWER, needs=("masks",))
def outside_inside_ratio(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Mean relevance outside the object divided by the mean inside (Nam et al., 2020; Lapuschkin et al., 2016).

    Rows without relevance inside, and rows that the object fills, have none.
    """
    inside = _inside(subject)
    result = {}
    for part in PARTS:
        values = explanation.reduced(part)
        within = _divide((values * inside).sum(1), inside.sum(1))
        without = _divide((values * ~inside).sum(1), (~inside).sum(1))
        result[part] = Measured(_divide(without, within))
    return result


@metric("box-iou", better=HIGHER, needs=("picture", "boxes"))
def box_iou(subject: Subject, explanation: Explanation, *, threshold: str = "otsu") -> Mapping[str, Measured]:
    """Overlap of the box around the largest part of the thresholded map with the best of the object's boxes.

    threshold: zero | mean | otsu, positions above it count; parts are connected over edges and corners.
    """
    if threshold not in THRESHOLDS:
        raise unknown("threshold", [threshold], THRESHOLDS)
    assert subject.boxes is not None
    result = {}
    for part in PARTS:
        found = []
        for values, boxes in zip(explanation.reduced(part), subject.boxes, strict=True):
            plane = values.reshape(subject.layout.spatial)
            found.append(_best_iou(largest_component(plane > THRESHOLDS[threshold](values)), boxes))
        result[part] = Measured(np.asarray(found))
    return result


def _inside(subject: Subject) -> Array:
    assert subject.masks is not None
    return subject.masks.reshape(subject.rows, -1)


def _where_any(values: Array, inside: Array) -> Array:
    """Return the values, NaN for rows without an object."""
    return np.where(inside.any(1), values.astype(np.float64), np.nan)


def _divide(a: Array, b: Array) -> Array:
    """Return a / b, NaN where b is 0."""
    return np.asarray(np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0))


def _grown(inside: Array, pixels: int, spatial: tuple[int, ...]) -> Array:
    """Return masks [N, positions] grown by a number of pixels, in a square."""
    grown = inside.reshape(-1, *spatial)
    for axis, size in enumerate(spatial, start=1):
        around = np.pad(grown, [(pixels, pixels) if a == axis else (0, 0) for a in range(grown.ndim)])
        shifted = [around.take(range(k, k + size), axis) for k in range(2 * pixels + 1)]
        grown = np.any(shifted, 0)
    return np.asarray(grown.reshape(inside.shape))


def _best_iou(part: Array, boxes: Array) -> float:
    ys, xs = np.nonzero(part)
    if not len(ys) or not len(boxes):
        return 0.0 if len(boxes) else float("nan")
    x0, y0, x1, y1 = float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
    wide = np.clip(np.minimum(x1, boxes[:, 2]) - np.maximum(x0, boxes[:, 0]), 0, None)
    high = np.clip(np.minimum(y1, boxes[:, 3]) - np.maximum(y0, boxes[:, 1]), 0, None)
    both = wide * high
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return float((both / ((x1 - x0) * (y1 - y0) + areas - both)).max())
