"""What degradation costs beyond its forward passes: measured time / (passes x plain batched forward time)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from onnxpath.attribution.registry import logits_of
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.model import load

GOAL = 1.3
REPEAT = 3

METRIC_STEPS = {"lerf": 10, "morf": 10, "deletion": 21, "insertion": 21}
"""Metric -> forward passes of a row for each of the two rankings."""


def throughput(subject: Subject) -> dict[str, dict[str, float]]:
    """Return for each metric the seconds, the seconds of as many plain passes in batches of the same size, the ratio.

    Maps are random and made before, so that attribution takes no time. Both are run in turn, and the shortest of
    three is taken of each; the same for processor time, which other work on the machine changes less. The model is
    loaded again: batches are as large as its default memory allows.
    """
    subject = subject.with_model(load(subject.model.path), subject.seed)
    maps = np.random.default_rng(0).standard_normal(subject.x.shape)
    explanation = Explanation("drawn", subject, lambda given: maps)
    _ = explanation.planes
    found = {}
    for name, steps in METRIC_STEPS.items():
        passes = 2 * steps * subject.rows
        copies = np.resize(np.arange(subject.rows), passes)
        size = subject.model.rows_per_run(subject.feeds)
        metric = partial(METRICS.get(name).function, subject, explanation, replace="mean")
        turns = [(_timed(partial(_plain, subject, copies, size)), _timed(metric)) for _ in range(REPEAT)]
        (plain, plain_cpu), (seconds, cpu) = (np.min(times, axis=0) for times in zip(*turns, strict=True))
        found[name] = {
            "passes": passes,
            "batch": size,
            "plain_seconds": float(plain),
            "seconds": float(seconds),
            "ratio": float(seconds / plain),
            "processor_ratio": float(cpu / plain_cpu),
        }
    return found


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes, on the clock and of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked


def _plain(subject: Subject, copies: np.ndarray, size: int) -> None:
    batches = [subject.x[copies[start : start + size]] for start in range(0, min(len(copies), 4 * size), size)]
    rows = 0
    while rows < len(copies):
        batch = batches[(rows // size) % len(batches)]
        part = batch[: len(copies) - rows]
        logits_of(subject.model, {subject.source: part}, subject.target)
        rows += len(part)
