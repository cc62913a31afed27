"""A model as the plain function from arrays to scores that other explainers ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.graph.surgery import expose
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import load
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import resolve_target

SCORES = ("output", "logits", "softmax")


def predictor(
    model: Any, target: int | None = None, output: str | None = None, scores: str = "output"
) -> Callable[[Any], Array]:
    """Return a function from rows to scores, for libraries that only call the model (LIME, KernelSHAP).

    model: path, bytes, ModelProto or loaded Model; target: entry of the flattened output row, default all of them;
    output: name, default the first float one; scores: "output" as the model gives it, "logits" before its Softmax, or
    "softmax" of the logits over their last axis, float64. The function takes what `attribute` takes as x, any number of
    rows, of any float type for float inputs, runs them in batches within the model's memory budget, and returns [N]
    with a target, else [N, ...]. Raises UnknownName, InputError.
    """
    if scores not in SCORES:
        raise unknown("kind of scores", [scores], SCORES)
    loaded = load(model)
    place = loaded.readout(output)
    name = place.output if scores == "output" else place.name
    goal = resolve_target(loaded, target, 1, output)
    program = loaded.session(("expose", name), lambda: expose(loaded, [name]))

    def predict(x: Any) -> Array:
        feeds = loaded.feeds(x)
        runs = ((program.run(part, [name])[name], rows_of(part), r) for part, r in loaded.batches(feeds))
        values = np.concatenate([goal.answers(found, rows)[: r.stop - r.start] for found, rows, r in runs])
        if scores == "softmax":
            values = _softmax(values)
        return values if target is None else _entry(values, target)

    return predict


def _entry(values: Array, target: int) -> Array:
    rows = values.reshape(len(values), -1)
    if target >= rows.shape[1]:
        raise InputError(f"target {target} is out of range: a row of the output has entries 0 to {rows.shape[1] - 1}")
    return rows[:, target]


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))
