"""Optimisers as graphs: what becomes of a weight, given its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from onnxpath.errors import InputError
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor
from onnxpath.runtime.session import Array


class Optimiser(Protocol):
    """One rule of descent, a frozen dataclass of its numbers.

    slots: tensors it keeps beside each weight, zero at first; inputs: scalars fed each step.
    """

    slots: ClassVar[tuple[str, ...]]
    inputs: ClassVar[tuple[str, ...]]

    @property
    def rate(self) -> float:
        """The learning rate that a schedule begins with."""

    def feeds(self, step: int, rate: float) -> dict[str, Array]:
        """Return the scalars of a step, counted from 1."""

    def update(
        self, op: Emitter, weight: Tensor, grad: Tensor, slots: list[Tensor], fed: dict[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Emit one step; return the next weight and the next slots."""


@dataclass(frozen=True)
class Sgd:
    """Descent with momentum as torch.optim.SGD: no dampening, no Nesterov, weight decay added to the gradient."""

    rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0

    slots: ClassVar[tuple[str, ...]] = ("velocity",)
    inputs: ClassVar[tuple[str, ...]] = ("rate",)

    def __post_init__(self) -> None:
        _check(self, {"momentum": (0, 1), "weight_decay": (0, np.inf)})

    def feeds(self, step: int, rate: float) -> dict[str, Array]:
        """Return the learning rate."""
        return {"rate": np.asarray(rate, np.float32)}

    def update(
        self, op: Emitter, weight: Tensor, grad: Tensor, slots: list[Tensor], fed: dict[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """v' = momentum · v + g + decay · w; w' = w - rate · v'."""
        faster = op.Add(op.Mul(slots[0], self.momentum), _decayed(op, weight, grad, self.weight_decay))
        return op.Sub(weight, op.Mul(fed["rate"], faster)), [faster]


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015) as torch.optim.Adam: weight decay added to the gradient."""

    rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    inputs: ClassVar[tuple[str, ...]] = ("step_size", "root")

    def __post_init__(self) -> None:
        _check(self, {"beta1": (0, 1), "beta2": (0, 1), "epsilon": (0, np.inf), "weight_decay": (0, np.inf)})

    def feeds(self, step: int, rate: float) -> dict[str, Array]:
        """Return the learning rate over 1 - beta1^t, and the root of 1 - beta2^t."""
        size, root = rate / (1 - self.beta1**step), np.sqrt(1 - self.beta2**step)
        return {"step_size": np.asarray(size, np.float32), "root": np.asarray(root, np.float32)}

    def update(
        self, op: Emitter, weight: Tensor, grad: Tensor, slots: list[Tensor], fed: dict[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """m' = b1 m + (1-b1) g; s' = b2 s + (1-b2) g²; w' = w - step_size · m' / (sqrt s' / root + epsilon)."""
        g = _decayed(op, weight, grad, self.weight_decay)
        mean = op.Add(op.Mul(slots[0], self.beta1), op.Mul(g, 1 - self.beta1))
        square = op.Add(op.Mul(slots[1], self.beta2), op.Mul(op.Mul(g, g), 1 - self.beta2))
        below = op.Add(op.Div(op.Sqrt(square), fed["root"]), self.epsilon)
        return op.Sub(weight, op.Mul(fed["step_size"], op.Div(mean, below))), [mean, square]


def _decayed(op: Emitter, weight: Tensor, grad: Tensor, decay: float) -> Tensor:
    made: Tensor = op.Add(grad, op.Mul(weight, decay)) if decay else grad
    return made


def _check(optimiser: Optimiser, limits: dict[str, tuple[float, float]]) -> None:
    wrong = [
        f"{name} must be at least {low} and below {high}, not {getattr(optimiser, name)}"
        for name, (low, high) in limits.items()
        if not low <= getattr(optimiser, name) < high
    ]
    if not 0 < optimiser.rate < np.inf:
        wrong.append(f"rate must be above 0, not {optimiser.rate}")
    if wrong:
        raise InputError(f"{type(optimiser).__name__} cannot train so: " + "; ".join(wrong))


OPTIMISERS: dict[str, Callable[..., Optimiser]] = {"sgd": Sgd, "adam": Adam}
"""By the names that recipes use."""


def settings(optimiser: Optimiser) -> dict[str, float | str]:
    """Return an optimiser's name and numbers, as a record keeps them."""
    return {"optimiser": type(optimiser).__name__.lower()} | vars(optimiser)
