"""Adversarial inputs: steps along the sign of the loss's gradient, which onnxpath's own gradient graph gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.backward.target import COTANGENT, TARGET
from onnxpath.errors import InputError, unknown
from onnxpath.pathway.analyses.decode import check_range, require_one_input
from onnxpath.pathway.finite import check_finite
from onnxpath.pathway.programs import GRAD, LOGITS, Setup
from onnxpath.pathway.selectors.registry import rows_rng
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import load
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target, resolve_target
from onnxpath.shown import Shown


@dataclass(frozen=True)
class Budget:
    """How an attack spends its epsilon.

    steps: of gradient ascent; share: of epsilon, that one step moves; random_start: begin at a uniform draw from the
    whole box of +-epsilon instead of its centre.
    """

    steps: int
    share: float
    random_start: bool


ATTACKS = {"fgsm": Budget(1, 1.0, False), "pgd": Budget(10, 0.25, True)}
"""Fast gradient sign method (Goodfellow et al., 2015), projected gradient descent (Madry et al., 2018); L-infinity."""


@dataclass(frozen=True, repr=False)
class Attacked(Shown):
    """What an attack made.

    values: array like x; labels: int64 [N], what the loss was taken against; predictions: int64 [N], what the network
    says of `values`; epsilon: as asked for.
    """

    values: Array
    labels: Array
    predictions: Array
    epsilon: float

    @property
    def fooled(self) -> Array:
        """bool [N]: the prediction is not the label."""
        return np.asarray(self.predictions != self.labels)


def attack(
    model: Any,
    x: Any,
    labels: Any = None,
    method: str = "pgd",
    epsilon: float = 8 / 255,
    value_range: tuple[Any, Any] | None = None,
    output: str | None = None,
    seed: int = 0,
) -> Attacked:
    """Return inputs near x at which the cross-entropy of the labels is large.

    model: path, bytes, ModelProto or loaded Model, a classifier of one float input, its first axis rows; x: [N, ...];
    labels: index of the true class per row, default what the model says; method: "fgsm" (one step) | "pgd" (ten of
    epsilon / 4, from a random start in the box); value_range: lowest and highest value of the input, numbers or arrays
    that broadcast against a row: epsilon is then a fraction of what lies between (8 / 255: eight grey levels), and
    results stay inside; without it epsilon is in the input's own units. Every value moves by epsilon at most.
    Raises InputError, UnknownName, UnsupportedOperator.
    """
    if method not in ATTACKS:
        raise unknown("attack", [method], ATTACKS)
    if not 0 <= epsilon < np.inf:
        raise InputError(f"epsilon is how far a value may move, 0 or more; {epsilon} was given")
    check_range(value_range)
    loaded = load(model)
    source = require_one_input(loaded)
    feeds = loaded.feeds(x)
    goal = resolve_target(loaded, labels, rows_of(feeds), output)
    setup = Setup.of(loaded, Target(goal.readout, COTANGENT, goal.values))
    if goal.kind != TARGET:
        raise InputError("labels are indices of classes, one per row")
    parts = []
    for part, rows in loaded.batches(feeds):
        numbers = [min(rows.start + i, rows.stop - 1) for i in range(rows_of(part))]
        fixed = Target(goal.readout, TARGET, goal.feed(rows, len(numbers))[TARGET])
        made = _Attack(setup, part, source, fixed, epsilon, value_range).run(ATTACKS[method], seed, numbers)
        parts.append([value[: rows.stop - rows.start] for value in made])
    values, known, predictions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Attacked(values, known, predictions, epsilon)


class _Attack:
    """One run of rows, attacked together."""

    def __init__(
        self, setup: Setup, feeds: dict[str, Array], source: str, target: Target, epsilon: float, bounds: Any
    ) -> None:
        self.setup, self.feeds, self.source = setup, feeds, source
        self.x = feeds[source].astype(np.float64)
        ends = (-np.inf, np.inf) if bounds is None else bounds
        self.low, self.high = (np.broadcast_to(np.asarray(e, np.float64), self.x.shape[1:]) for e in ends)
        self.epsilon = epsilon * (np.ones(()) if bounds is None else self.high - self.low)
        logits = self._logits(self.x)
        check_finite(setup.model, target, feeds, [logits])
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise InputError(f"an attack needs the logits of classes, [N, classes], and the output is {logits.shape}")
        self.labels = target.fixed(logits).values

    def run(self, budget: Budget, seed: int, rows: list[int]) -> tuple[Array, Array, Array]:
        """Return values, labels and predictions; rows: numbers that draws depend on."""
        values = self.x
        if budget.random_start:
            drawn = [rows_rng(seed, row).uniform(-1, 1, self.x.shape[1:]) for row in rows]
            values = self._inside(values + self.epsilon * np.stack(drawn))
        for _ in range(budget.steps):
            values = self._inside(values + budget.share * self.epsilon * np.sign(self._gradient(values)))
        values = values.astype(self.feeds[self.source].dtype)
        return values, self.labels, self._logits(values).argmax(1)

    def _inside(self, values: Array) -> Array:
        near = np.clip(values, self.x - self.epsilon, self.x + self.epsilon)
        inside: Array = np.clip(near, np.minimum(self.low, self.x), np.maximum(self.high, self.x))
        return inside

    def _logits(self, values: Array) -> Array:
        logits: Array = self.setup.forward().run(self._fed(values))[LOGITS]
        return logits

    def _gradient(self, values: Array) -> Array:
        """Of the cross-entropy, whose derivative by the logits is softmax minus one-hot."""
        logits = self._logits(values)
        shifted = np.exp(logits - logits.max(1, keepdims=True))
        slope = shifted / shifted.sum(1, keepdims=True)
        slope[np.arange(len(slope)), self.labels] -= 1
        found = self.setup.gradient().run({**self._fed(values), COTANGENT: slope.astype(logits.dtype)})
        gradient: Array = found[GRAD + self.source].astype(np.float64)
        return gradient

    def _fed(self, values: Array) -> dict[str, Array]:
        return {**self.feeds, self.source: values.astype(self.feeds[self.source].dtype)}


def equal_noise(x: Array, attacked: Array, seed: int = 0) -> Array:
    """Return x with Gaussian noise whose L2 norm is, row by row, that of the attack: the control of a detector.

    Norms are in the units of x; nothing is clipped.
    """
    result = np.empty(x.shape, x.dtype)
    for row in range(len(x)):
        noise = rows_rng(seed, row).standard_normal(x.shape[1:])
        length = np.linalg.norm(attacked[row].astype(np.float64) - x[row])
        result[row] = x[row] + noise * (length / np.linalg.norm(noise))
    return result
