"""The public call: metrics of attribution methods on a model and its data, beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.plan import check_names, plan
from onnxpath.evaluation.result import Evaluation
from onnxpath.evaluation.subject import Subject
from onnxpath.registry import as_names

SAMPLES = 1000


def evaluate(
    model: Any,
    data: Any,
    methods: Sequence[str] = ("pathway-gradient", "gradient"),
    metrics: Sequence[str] = ("lerf", "morf"),
    target: Any = None,
    output: str | None = None,
    *,
    labels: Any = None,
    boxes: Sequence[Any] | None = None,
    masks: Any = None,
    channels: str | None = None,
    wrt: Sequence[str] | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
    **options: Any,
) -> Evaluation:
    """Measure attribution methods, and the baselines beside them, with 95 % bootstrap intervals over rows.

    model: path, bytes, ModelProto or loaded Model; data: [N, ...] array, list or dict of inputs; methods: names of
    `onnxpath list methods`, each with options as `name:option=value:...`; metrics: names of `onnxpath list metrics`;
    target, output, wrt: as in `attribute`, the target staying the class of the unperturbed network. labels: int [N],
    only rows that the model predicts so are used; boxes: for each row [k, 4] as x0, y0, x1, y1 in pixels of the input;
    masks: bool [N, H, W], default the inside of the boxes; channels: "first" | "last" | "none", where channels are in a
    row, default first for rows of three axes or more, last for computed ones of two; seed: of all that is drawn;
    samples: of the bootstrap; options: of the metrics, each of which takes those that it knows.
    Raises InputError, UnknownName before work starts; methods that cannot run are listed in the result.
    """
    methods, metrics = as_names(methods), as_names(metrics)
    check_names(methods, metrics, options)
    subject = Subject.of(model, data, target, output, channels, boxes, masks, seed, wrt)
    if labels is not None:
        subject = only_correct(subject, labels)
    planned = plan(subject, methods, metrics, samples, options)
    for _ in planned.run():
        pass
    return planned.result()


def only_correct(subject: Subject, labels: Any) -> Subject:
    """Return the rows whose largest entry is their label. Raises InputError: labels do not fit, no row is left."""
    wanted = np.asarray(labels)
    if wanted.shape != (subject.rows,):
        raise InputError(f"{subject.rows} rows need one label each; {wanted.shape} was given")
    right = subject.logits.reshape(subject.rows, -1).argmax(1) == wanted
    if not right.any():
        raise InputError("the model predicts none of the rows as labelled, so that none is left to evaluate")
    return subject.take(right)
