"""Training from scratch: epochs of steps on the device, checkpoints, and the model that comes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.errors import InputError, JobError
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.training.data import Augmentation, Examples, batches, divided
from onnxpath.evaluation.training.optimiser import Adam, Optimiser, settings
from onnxpath.evaluation.training.parameters import untied
from onnxpath.evaluation.training.program import (
    HITS,
    LABEL,
    LOGITS,
    LOSS,
    NEXT,
    WEIGHT,
    inference_program,
    step_program,
    trainable,
)
from onnxpath.files import save_npz
from onnxpath.graph.ir import Graph
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, on_host

SECONDS_BETWEEN = 30
"""A checkpoint is written at the end of an epoch, no more often than this."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults are RoarTorch's for CIFAR-10, but for its crops and flips.

    optimiser; epochs; batch: rows of a step; decay: the learning rate is multiplied by it every `decay_every` epochs
    (0: never); augmentation; validation: share of each class of the training rows on which the best epoch is chosen, 0
    for the last epoch. Raises InputError.
    """

    optimiser: Optimiser = field(default_factory=lambda: Adam(1e-3, weight_decay=1e-4))
    epochs: int = 50
    batch: int = 256
    decay: float = 0.5
    decay_every: int = 10
    augmentation: Augmentation = field(default_factory=Augmentation)
    validation: float = 0.0

    def __post_init__(self) -> None:
        wrong = [f"{name} must be at least 1" for name in ("epochs", "batch") if getattr(self, name) < 1]
        wrong += ["decay must be above 0"] * (not self.decay > 0)
        wrong += ["decay_every must not be below 0"] * (self.decay_every < 0)
        wrong += ["validation must be at least 0 and below 1"] * (not 0 <= self.validation < 1)
        if wrong:
            raise InputError("nothing can be trained so: " + ", ".join(wrong))

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        return self.optimiser.rate * self.decay ** (epoch // self.decay_every if self.decay_every else 0)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as a record keeps them."""
        plain = {key: getattr(self, key) for key in ("epochs", "batch", "decay", "decay_every", "validation")}
        return plain | settings(self.optimiser) | {"crop": self.augmentation.crop, "flip": self.augmentation.flip}


@dataclass(frozen=True)
class Trained:
    """What training found.

    weights: by tensor name, running statistics too; losses: mean over the steps of each epoch; validation: accuracy
    after each epoch, empty where there is none; epoch: whose weights these are, counted from 1.
    """

    weights: dict[str, Array]
    losses: list[float]
    validation: list[float]
    epoch: int


class Trainer:
    """Trains one model again and again; its programs are built once.

    model: of one input, with a symbolic batch, as it was exported for inference: only BatchNormalization behaves
    otherwise in training, and Dropout stays off; output: whose logits are trained, default the first.
    Raises what `trainable` raises, and UnsupportedOperator for nodes without a rule.
    """

    def __init__(self, model: Model, recipe: Recipe, output: str | None = None) -> None:
        model = _with_graph(model, untied(model.graph))
        self.model, self.recipe = model, recipe
        self.logits_name = model.readout(output).name
        self.parameters = trainable(model, self.logits_name)
        self._step = step_program(model, self.logits_name, self.parameters, recipe.optimiser)
        self._infer = inference_program(model, self.logits_name, self.parameters)
        self._input = model.inputs[0].name

    def begin(self, weights: Mapping[str, Array]) -> dict[str, Any]:
        """Return the state of a training that begins with given weights: these, and the optimiser's slots at zero."""
        state = {WEIGHT + name: value for name, value in weights.items()}
        for parameter in self.parameters.trained:
            zeros = np.zeros(parameter.shape, np.float32)
            state |= {f"{slot}_{WEIGHT}{parameter.name}": zeros for slot in self.recipe.optimiser.slots}
        return {name: self._step.to_device(value) for name, value in state.items()}

    def step(
        self, state: Mapping[str, Any], x: Array, labels: Array, count: int, rate: float
    ) -> tuple[dict[str, Any], float, int]:
        """Take one step, counted from 1; return the next state, the loss before it, and how many rows were right."""
        feeds = {**state, self._input: x, LABEL: labels, **self.recipe.optimiser.feeds(count, rate)}
        values = self._step.run_on_device(feeds)
        loss, hits = float(on_host(values.pop(LOSS))), int(on_host(values.pop(HITS)))
        return {name.removeprefix(NEXT): value for name, value in values.items()}, loss, hits

    def logits(self, state: Mapping[str, Any], x: Array) -> Array:
        """Return the network's logits [N, classes], in inference mode."""
        size = max(self.recipe.batch, 256)
        parts = [self._infer.run({**state, self._input: x[i : i + size]})[LOGITS] for i in range(0, len(x), size)]
        return np.concatenate(parts).reshape(len(x), -1)

    def accuracy(self, state: Mapping[str, Any], examples: Examples) -> float:
        """Return the share of rows whose largest logit is their class."""
        return float((self.logits(state, examples.x).argmax(1) == examples.labels).mean())

    def check(self, examples: Examples, layout: Layout) -> None:
        """Raise InputError for rows the model does not take, classes it does not have, crops that cannot be."""
        self.model.feeds(examples.x)
        self.recipe.augmentation.check(layout)
        classes = self.logits(self.begin(self.parameters.begin(0)), examples.x[:1]).shape[1]
        if examples.labels.max() >= classes:
            raise InputError(f"the model has {classes} classes, and class {examples.labels.max()} is among the labels")

    def fit(self, examples: Examples, seed: int, layout: Layout, checkpoint: Path | None = None) -> Trained:
        """Train from scratch; the same seed gives the same network, whether it was interrupted or not.

        checkpoint: a file that the training goes on from where it is there, and that is taken away at its end.
        Raises InputError where the loss is no longer finite.
        """
        recipe = self.recipe
        rows, held = (examples, None) if not recipe.validation else divided(examples, recipe.validation, 0)
        edge = layout.planes(rows.x).min((0, 2))
        run = _Run.of(self, seed, checkpoint)
        for epoch in track(range(run.epoch, recipe.epochs), "epochs"):
            rng, losses = np.random.default_rng([seed, epoch]), []
            for x, labels in batches(rows, recipe.batch, recipe.augmentation, layout, edge, rng):
                run.steps += 1
                run.state, loss, _ = self.step(run.state, x, labels, run.steps, recipe.rate(epoch))
                losses.append(loss)
            run.losses.append(float(np.mean(losses)))
            if not np.isfinite(run.losses[-1]):
                raise InputError(
                    f"the loss became {run.losses[-1]} in epoch {epoch + 1}; take a lower learning rate than "
                    f"{recipe.optimiser.rate}"
                )
            run.epoch = epoch + 1
            run.judge(None if held is None else self.accuracy(run.state, held))
            run.save()
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        weights = {k.removeprefix(WEIGHT): on_host(v) for k, v in run.best.items() if k.startswith(WEIGHT)}
        return Trained(weights, run.losses, run.validation, run.best_epoch)

    def state_of(self, weights: Mapping[str, Array]) -> dict[str, Any]:
        """Return trained weights as `accuracy` takes them."""
        return {WEIGHT + name: value for name, value in weights.items()}

    def trained_model(self, weights: Mapping[str, Array]) -> Model:
        """Return the model with trained weights in the place of its own."""
        graph = self.model.graph.copy()
        tensors = graph.tensors()
        for name, value in weights.items():
            tensors[name].values = np.array(value)
        return _with_graph(self.model, graph)


def _with_graph(model: Model, graph: Graph) -> Model:
    return model.derived(graph=graph, path=None)


class _Run:
    """A training on its way: its state, and the best one so far."""

    def __init__(self, state: dict[str, Any], checkpoint: Path | None) -> None:
        self.state = self.best = state
        self.epoch = self.steps = self.best_epoch = 0
        self.losses: list[float] = []
        self.validation: list[float] = []
        self._checkpoint, self._saved = checkpoint, time.monotonic()

    @classmethod
    def of(cls, trainer: Trainer, seed: int, checkpoint: Path | None) -> _Run:
        run = cls(trainer.begin(trainer.parameters.begin(seed)), checkpoint)
        if checkpoint is not None and checkpoint.is_file():
            try:
                run._go_on(load_arrays(checkpoint))
            except DAMAGED as error:
                raise JobError(
                    f"'{checkpoint}' is not a checkpoint of this training: {error}; delete it, and the training begins "
                    "anew"
                ) from error
        return run

    def _go_on(self, held: Mapping[str, Array]) -> None:
        shapes = {f"state {name}": np.shape(on_host(value)) for name, value in self.state.items()}
        if wrong := [name for name, shape in shapes.items() if held[name].shape != shape]:
            raise ValueError(f"'{wrong[0]}' has the shape {held[wrong[0]].shape}, not {shapes[wrong[0]]}")
        self.epoch, self.steps, self.best_epoch = (int(n) for n in held["place"])
        self.losses, self.validation = held["losses"].tolist(), held["validation"].tolist()
        self.state = {name: held[f"state {name}"] for name in self.state}
        self.best = {name: held[f"best {name}"] for name in self.best if name.startswith(WEIGHT)}

    def judge(self, accuracy: float | None) -> None:
        """Keep the weights of the epoch that was just ended, if they are the best so far; without validation always."""
        if accuracy is None or accuracy > max(self.validation, default=-1.0):
            self.best, self.best_epoch = self.state, self.epoch
        if accuracy is not None:
            self.validation.append(accuracy)

    def save(self) -> None:
        """Write the checkpoint, where one is wanted and the last one is old enough."""
        if self._checkpoint is None or time.monotonic() - self._saved < SECONDS_BETWEEN:
            return
        arrays = {f"state {name}": on_host(value) for name, value in self.state.items()}
        arrays |= {f"best {k}": on_host(v) for k, v in self.best.items() if k.startswith(WEIGHT)}
        arrays |= {"place": np.array([self.epoch, self.steps, self.best_epoch])}
        save_npz(self._checkpoint, arrays | {"losses": np.array(self.losses), "validation": np.array(self.validation)})
        self._saved = time.monotonic()
