"""Distillation guided routing: gates on activations, optimised until little is left that keeps the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.errors import InputError
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.gate_programs import (
    BEST,
    BETTER,
    GATE,
    LOSS,
    MOMENTUM,
    NEXT,
    PENALTY,
    RATE,
    TEACHER,
    UPPER,
    VELOCITY,
    choice_program,
    loss_program,
    step_program,
)
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.progress import track
from onnxpath.runtime.session import Array, on_host


@dataclass(frozen=True)
class Descent:
    """Stochastic gradient descent on gates, as in torch.optim.SGD.

    n_steps; lr: learning rate; momentum; penalty: weight of the sum of all gates in the loss; upper: gates stay in
    [0, upper]; tries: where no step keeps the prediction, n_steps more from there with a tenth of the penalty, this
    often at most, row by row.
    """

    n_steps: int
    lr: float
    momentum: float
    penalty: float
    upper: float
    tries: int = 1

    def __post_init__(self) -> None:
        wrong = [f"{name} must be at least 1" for name in ("n_steps", "tries") if getattr(self, name) < 1]
        wrong += [f"{name} must be above 0" for name in ("lr", "upper") if not getattr(self, name) > 0]
        wrong += [f"{name} must not be below 0" for name in ("momentum", "penalty") if not getattr(self, name) >= 0]
        if wrong:
            raise InputError("gates cannot be optimised so: " + ", ".join(wrong))


@dataclass(frozen=True)
class Gates:
    """What descent found, row by row.

    values: layer -> gates [n, ...] of the best step; loss: [n] there; found: [n], some step kept the prediction (where
    none did, the gates are the last ones, and the loss is infinite); penalty: [n] that it was found with.
    """

    values: dict[str, Array]
    loss: Array
    found: Array
    penalty: Array


def optimise(
    setup: Setup,
    feeds: Mapping[str, Array],
    logits: Array,
    layers: Sequence[NeuronLayer],
    per: str,
    start: Mapping[str, Array],
    descent: Descent,
    what: str,
) -> Gates:
    """Return each row's gates at the step of the lowest loss among those that keep its prediction.

    The loss (Wang et al., CVPR 2018): cross entropy of the gated network's softmax with the whole network's, and
    penalty times the sum of gates. It is judged before each step, so that the start is a candidate. logits: of the
    whole network; start: layer -> gates [n, ...]; what: how progress names it. Rows have gates, penalty and best step
    of their own. Raises InputError unless a row of the output is a list of classes.
    """
    if not np.isfinite(logits).all():
        # Nothing can be distilled; who asked says where in the network NaN or Inf began.
        nothing = np.full(len(logits), np.inf)
        return Gates(dict(start), nothing, np.isfinite(nothing), nothing)
    teacher, prediction = _teacher(setup, logits)
    loss_of, step = loss_program(setup, layers, per), step_program(setup, layers, per)
    choice = choice_program(setup, layers, per)
    state: dict[str, Any] = {}
    for layer in layers:
        gate = loss_of.to_device(start[layer.name])
        state |= {GATE + layer.name: gate, BEST + layer.name: gate}
    names = [layer.name for layer in layers]
    settings = {MOMENTUM: np.float32(descent.momentum), UPPER: np.float32(descent.upper)}
    fixed = {**feeds, TEACHER: teacher, RATE: teacher.dtype.type(descent.lr)}
    inputs = {name: loss_of.to_device(value) for name, value in fixed.items()}
    penalty = np.full(len(teacher), descent.penalty, teacher.dtype)
    lowest, searching = np.full(len(teacher), np.inf), np.full(len(teacher), True)
    for _ in range(descent.tries):
        state |= {VELOCITY + name: np.zeros_like(start[name]) for name in names}
        for _ in track(range(descent.n_steps), what):
            values = loss_of.run_on_device({**inputs, **state, PENALTY: penalty})
            loss = on_host(values[LOSS])
            kept = on_host(values[LOGITS]).reshape(len(loss), -1).argmax(1) == prediction
            better = searching & kept & (loss < lowest)
            lowest[better] = loss[better]
            if better.all():
                state |= {BEST + name: state[GATE + name] for name in names}
            elif better.any():
                state |= _next(choice.run_on_device({**state, BETTER: better}))
            state |= _next(step.run_on_device({**state, **values, **settings}))
        searching &= np.isinf(lowest)
        if not searching.any():
            break
        penalty = np.where(searching, penalty / 10, penalty)
    found = np.isfinite(lowest)
    best = {name: on_host(state[BEST + name]) for name in names}
    if not found.all():
        best = {name: _rows(found, value, on_host(state[GATE + name])) for name, value in best.items()}
    return Gates(best, lowest, found, penalty)


def _next(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(NEXT): value for name, value in values.items()}


def _rows(condition: Array, one: Array, other: Array) -> Array:
    return np.where(condition.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def _teacher(setup: Setup, logits: Array) -> tuple[Array, Array]:
    """Return the softmax [n, K] of the whole network and its largest entry [n]."""
    if len([size for size in logits.shape[1:] if size > 1]) != 1:
        sizes = "×".join(map(str, logits.shape[1:])) if logits[0].size > 1 else "one number"
        raise InputError(
            f"gates are optimised until they keep the softmax over classes, and a row of '{setup.logits}' is {sizes}; "
            "choose another selector, or an output that is a list of classes"
        )
    flat = logits.reshape(len(logits), -1).astype(np.float64)
    shifted = np.exp(flat - flat.max(1, keepdims=True))
    dtype = np.float64 if logits.dtype == np.float64 else np.float32
    return (shifted / shifted.sum(1, keepdims=True)).astype(dtype), flat.argmax(1)
