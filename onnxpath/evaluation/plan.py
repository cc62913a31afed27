"""What is to be measured on what, checked before any work starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from onnxpath.errors import InputError, OnnxPathError, all_of, unknown
from onnxpath.evaluation.baselines import BASELINES
from onnxpath.evaluation.bootstrap import band, interval
from onnxpath.evaluation.explanation import Explanation, by_method, parse_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.options import check_options
from onnxpath.evaluation.perturbed import SCORES
from onnxpath.evaluation.registry import Measured, Metric
from onnxpath.evaluation.result import Curve, Evaluation, Score, as_values
from onnxpath.evaluation.subject import Subject
from onnxpath.evaluation.verdicts import judged


@dataclass
class Plan:
    """Methods, baselines and metrics on a subject; scores are filled by `run`."""

    subject: Subject
    explanations: list[Explanation]
    metrics: list[tuple[Metric, dict[str, Any]]]
    samples: int
    scores: list[Score] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of steps that `run` takes."""
        return len(self.explanations) * len(self.metrics)

    def run(self) -> Iterator[str]:
        """Measure, method by method, and yield after each metric what was done; what cannot be run is skipped."""
        for given in self.explanations:
            # A copy, so that its maps are forgotten before the next method's are made.
            explanation = Explanation(given.label, given.subject, given.make, given.baseline)
            began = time.perf_counter()
            try:
                _ = explanation.planes
            except OnnxPathError as error:
                self.skipped.append(f"{given.label}: {error}")
                yield from (given.label for _ in self.metrics)
                continue
            self.seconds[given.label] = time.perf_counter() - began
            for metric, options in self.metrics:
                self._measure(explanation, metric, options)
                yield f"{given.label}, {metric.name}"

    def _measure(self, explanation: Explanation, metric: Metric, options: dict[str, Any]) -> None:
        began = time.perf_counter()
        try:
            found = metric.function(self.subject, explanation, **options)
        except OnnxPathError as error:
            self.skipped.append(f"{metric.name} of {explanation.label}: {error}")
            return
        seconds = time.perf_counter() - began
        for variant, measured in found.items():
            mean = interval(measured.values, self.samples, self.subject.seed)
            self.scores.append(
                Score(
                    metric=metric.name,
                    variant=variant,
                    method=explanation.label,
                    baseline=explanation.baseline,
                    better=metric.better,
                    mean=mean.mean,
                    low=mean.low,
                    high=mean.high,
                    rows=mean.rows,
                    values=as_values(measured.values),
                    options={**metric.defaults, **options},
                    seconds=seconds,
                    curve=_curve(measured, self.samples, self.subject.seed),
                )
            )

    def result(self) -> Evaluation:
        """Return what was measured so far, judged. Raises InputError where no method could be run at all."""
        if not any(not score.baseline for score in self.scores):
            raise InputError("nothing could be measured:\n" + "\n".join(self.skipped))
        return Evaluation(
            judged(self.scores, self.samples, self.subject.seed),
            self.subject.rows,
            self.subject.seed,
            self.samples,
            self.seconds,
            self.skipped,
            list(self.subject.model.graph.notes),
        )


def plan(
    subject: Subject, methods: Sequence[str], metrics: Sequence[str], samples: int, options: Mapping[str, Any]
) -> Plan:
    """Check everything and return what is to be done; baselines that need pictures are left out where there are none.

    Raises UnknownName, InputError, all problems at once.
    """
    checked = check_names(methods, metrics, options)
    all_of(*(partial(_check_needs, metric, subject) for metric, _ in checked), lambda: _check_scores(checked, subject))
    baselines = [BASELINES.get(name) for name in BASELINES.names()]
    fitting = [b for b in baselines if subject.layout.is_picture or not b.picture]
    explanations = [by_method(label, subject) for label in dict.fromkeys(methods)]
    return Plan(subject, explanations + [b.on(subject) for b in fitting], checked, samples)


def check_names(
    methods: Sequence[str], metrics: Sequence[str], options: Mapping[str, Any]
) -> list[tuple[Metric, dict[str, Any]]]:
    """Return each metric with those of the options that it knows.

    Raises UnknownName for methods, metrics and options that nothing knows, InputError for values that cannot be used
    and where nothing is asked for; all at once.
    """
    checks = [partial(METRICS.get, name) for name in dict.fromkeys(metrics)]
    found = all_of(
        *checks,
        lambda: _some(methods, metrics),
        lambda: check_options(options),
        *(partial(parse_method, label) for label in methods),
    )
    chosen: list[Metric] = found[: len(checks)]
    known = {name for metric in chosen for name in metric.defaults}
    if wrong := [name for name in options if name not in known]:
        raise unknown("option of these metrics", wrong, sorted(known))
    return [(metric, {k: v for k, v in options.items() if k in metric.defaults}) for metric in chosen]


def _some(methods: Sequence[str], metrics: Sequence[str]) -> None:
    if not methods or not metrics:
        raise InputError("name at least one method and one metric: `onnxpath list methods`, `onnxpath list metrics`")


NEEDS: dict[str, tuple[str, Callable[[Subject], bool]]] = {
    "picture": ("rows with height and width", lambda s: s.layout.is_picture),
    "masks": ("boxes or masks of the objects", lambda s: s.masks is not None),
    "boxes": ("boxes of the objects", lambda s: s.boxes is not None),
    "classes": (
        "an output whose entries are classes",
        lambda s: s.target.kind == "target" and s.logits[:1].size > 1,
    ),
}


def check_located(metrics: Sequence[str], boxes: bool, masks: bool) -> None:
    """Raise InputError for metrics that need objects where none are given; unknown names pass."""
    known = [METRICS.get(name) for name in metrics if name in METRICS.names()]
    there = {"boxes": boxes, "masks": boxes or masks}
    wanted = {need: [m.name for m in known if need in m.needs and not there[need]] for need in there}
    lines = [f"metric {', '.join(names)} needs {NEEDS[need][0]}" for need, names in wanted.items() if names]
    if lines:
        raise InputError("\n".join(lines) + "; none were given")


def _check_needs(metric: Metric, subject: Subject) -> None:
    if missing := [NEEDS[need][0] for need in metric.needs if not NEEDS[need][1](subject)]:
        raise InputError(f"metric '{metric.name}' needs {' and '.join(missing)}, and there are none here")


def _check_scores(metrics: Sequence[tuple[Metric, Mapping[str, Any]]], subject: Subject) -> None:
    """Raise InputError for metrics whose score compares classes, where the output has none."""
    asked = {
        metric.name: {**metric.defaults, **options}.get("score")
        for metric, options in metrics
        if "classes" not in metric.needs
    }
    wrong = [f"{name} '{score}'" for name, score in asked.items() if score in SCORES and score != "logit"]
    if wrong and not NEEDS["classes"][1](subject):
        raise InputError(
            f"the scores of {', '.join(wrong)} compare the entries of a row, and this output has no classes; "
            "give score='logit' (--metric-option score=logit)"
        )


def _curve(measured: Measured, samples: int, seed: int) -> Curve | None:
    if measured.curve is None:
        return None
    known = measured.curve[np.isfinite(measured.curve).all(1)]
    if not len(known):
        return None
    mean, low, high = (np.asarray(v).tolist() for v in band(known, samples, seed))
    return Curve([float(at) for at in measured.at], mean, low, high, measured.along, list(measured.names))
