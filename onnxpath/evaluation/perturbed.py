"""Many perturbed copies of many rows through the plain program, in full batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from onnxpath.attribution.registry import logits_of
from onnxpath.errors import InputError, unknown
from onnxpath.evaluation.replacement import REPLACEMENTS, Fill
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.feeds import of_rows
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


def degraded(
    subject: Subject, places: Array, counts: Sequence[int], replace: str, score: str, inserting: bool = False
) -> Array:
    """Return the score of every row with its first positions replaced, float64 [N, len(counts)].

    places: int [N, positions], each position's place in the order; counts: how many are replaced, one per step;
    replace: a key of REPLACEMENTS; score: a key of SCORES; inserting: the first stay and all others are replaced.
    Each step starts from the unperturbed row.
    """
    fill = REPLACEMENTS.get(replace)(subject)
    limits = np.asarray(counts)[:, None]
    found = np.empty((subject.rows, len(counts)))
    others = {name: values for name, values in subject.feeds.items() if name != subject.source}
    for rows, steps, batch in _batches(subject, places, limits, fill, inserting):
        target = Target(subject.target.readout, subject.target.kind, subject.target.values[rows])
        logits = logits_of(subject.model, {**of_rows(others, rows), subject.source: batch}, target)
        found[rows, steps] = read(score, logits, target)
    return found


def _batches(
    subject: Subject, places: Array, limits: Array, fill: Fill, inserting: bool
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield (row of each copy, step of each copy, the copies), as many as one run takes."""
    size = subject.model.rows_per_run(subject.feeds)
    rows, steps = (a.ravel() for a in np.indices((subject.rows, len(limits))))
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        batch = np.empty((part.stop - start, *subject.x.shape[1:]), subject.x.dtype)
        planes = subject.layout.planes(batch)
        for row in np.unique(rows[part]):
            copies = np.flatnonzero(rows[part] == row)
            first, last = copies[0], copies[-1] + 1
            early = places[row] < limits[steps[part][first:last]]
            gone = ~early if inserting else early
            planes[first:last] = subject.planes[row]
            np.copyto(planes[first:last], fill(int(row), gone), where=gone[:, None], casting="same_kind")
        yield rows[part], steps[part], batch


def softmax(logits: Array) -> Array:
    """Return softmax over the flattened entries of each row, float64 [N, entries]."""
    flat = logits.reshape(len(logits), -1).astype(np.float64)
    powers = np.exp(flat - flat.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _probability(logits: Array, target: Target) -> Array:
    return target.score(softmax(logits))


def _logit(logits: Array, target: Target) -> Array:
    return target.score(logits)


def _kept(logits: Array, target: Target) -> Array:
    return np.asarray(logits.reshape(len(logits), -1).argmax(1) == target.values, np.float64)


SCORES = {"softmax": _probability, "logit": _logit, "kept": _kept}
"""What is read from a perturbed row: the target's probability, its logit, whether it still is the largest entry."""


def read(score: str, logits: Array, target: Target) -> Array:
    """Return the score of each row, float64 [N]; InputError where the output has no classes to compare."""
    if score not in SCORES:
        raise unknown("score", [score], SCORES)
    if score != "logit" and (target.kind != "target" or logits[:1].size == 1):
        raise InputError(f"score '{score}' compares the entries of a row; give score='logit' for this output")
    return SCORES[score](logits, target)
