"""Climbing a score by gradients: Adam, and what the climbed numbers stand for (pixels, or frequencies)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from onnxpath.runtime.session import Array

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam upwards (Kingma & Ba, 2015), with its usual constants; every number has its own step, so rows do too."""

    def __init__(self, shape: tuple[int, ...], learning_rate: float) -> None:
        self.rate = learning_rate
        self.mean, self.square = np.zeros(shape), np.zeros(shape)
        self.count = 0

    def step(self, gradient: Array) -> Array:
        """Return what to add for this gradient."""
        self.count += 1
        self.mean += (1 - BETA1) * (gradient - self.mean)
        self.square += (1 - BETA2) * (gradient**2 - self.square)
        mean, square = self.mean / (1 - BETA1**self.count), self.square / (1 - BETA2**self.count)
        return np.asarray(self.rate * mean / (np.sqrt(square) + EPSILON))


Linear: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Parametrisation:
    """What the climbed numbers stand for: a linear map to an image of the same shape, and its transpose."""

    image: Linear
    back: Linear


def pixels(sizes: tuple[int, int], axes: tuple[int, int], decay: float) -> Parametrisation:
    """Each number is a value of the image."""
    return Parametrisation(lambda numbers: numbers, lambda gradient: gradient)


def frequencies(sizes: tuple[int, int], axes: tuple[int, int], decay: float) -> Parametrisation:
    """Each number is the strength of a wave, weighted by 1 / frequency^decay (Olah et al., 2017).

    The transform is Hartley's: real and its own inverse, the real part of Fourier's minus the imaginary one. The
    weights have mean square 1, so that a step changes as much as one of `pixels`.
    """
    rows, columns = (np.fft.fftfreq(size) for size in sizes)
    frequency = np.maximum(np.hypot(rows[:, None], columns), 1 / max(sizes))
    weight = frequency**-decay
    weight /= np.sqrt(np.mean(weight**2))

    def waves(values: Array) -> Array:
        spectrum = np.fft.fft2(values, axes=axes, norm="ortho")
        return np.asarray(spectrum.real - spectrum.imag)

    def weighted(values: Array) -> Array:
        moved = np.moveaxis(values, axes, (-2, -1))
        return np.moveaxis(moved * weight, (-2, -1), axes)

    return Parametrisation(lambda numbers: waves(weighted(numbers)), lambda gradient: weighted(waves(gradient)))


PARAMETRISATIONS: dict[str, Callable[..., Parametrisation]] = {"pixel": pixels, "fourier": frequencies}


def squash(values: Array) -> Array:
    """Return the logistic function of `values`, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))
