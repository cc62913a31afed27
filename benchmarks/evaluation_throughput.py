"""What degradation costs beyond its forward passes: measured time / (passes x plain batched forward time)."""

from __future__ import annotations

import time

import numpy as np

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.subject import Subject, forward

GOAL = 1.3
REPEAT = 3

METRIC_STEPS = {"lerf": 10, "morf": 10, "deletion": 21, "insertion": 21}
"""Metric -> forward passes of a row for each of the two rankings."""


def throughput(subject: Subject) -> dict[str, dict[str, float]]:
    """Return for each metric the seconds, the seconds of as many plain passes in batches of the same size, the ratio.

    Maps are random and made before, so that attribution takes no time. Both are run in turn, and the shortest of
    three is taken of each.
    """
    maps = np.random.default_rng(0).standard_normal(subject.x.shape)
    explanation = Explanation("drawn", subject, lambda given: maps)
    _ = explanation.planes
    found = {}
    for name, steps in METRIC_STEPS.items():
        passes = 2 * steps * subject.rows
        copies = np.resize(np.arange(subject.rows), passes)
        size = subject.model.rows_per_run(subject.feeds)
        plain, measured = [], []
        for _ in range(REPEAT):
            plain.append(_plain(subject, copies, size))
            began = time.perf_counter()
            METRICS.get(name).function(subject, explanation, replace="mean")
            measured.append(time.perf_counter() - began)
        found[name] = {
            "passes": passes,
            "batch": size,
            "plain_seconds": min(plain),
            "seconds": min(measured),
            "ratio": min(measured) / min(plain),
        }
    return found


def _plain(subject: Subject, copies: np.ndarray, size: int) -> float:
    batches = [subject.x[copies[start : start + size]] for start in range(0, min(len(copies), 4 * size), size)]
    rows = 0
    began = time.perf_counter()
    while rows < len(copies):
        batch = batches[(rows // size) % len(batches)]
        part = batch[: len(copies) - rows]
        forward(subject.model, subject.target, {subject.source: part})
        rows += len(part)
    return time.perf_counter() - began
