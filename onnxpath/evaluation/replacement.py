"""What stands where positions were removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from onnxpath.errors import InputError
from onnxpath.evaluation.filters import gaussian
from onnxpath.evaluation.impute import impute
from onnxpath.evaluation.subject import Subject
from onnxpath.registry import Registry
from onnxpath.runtime.session import Array

Fill: TypeAlias = Callable[[int, Array], Array]
"""f(row, gone: bool [S, positions]) -> values that broadcast to [S, channels, positions]."""

REPLACEMENTS: Registry[Callable[[Subject], Fill]] = Registry("replacement")

BLUR = 16
"""The standard deviation of `blur` is this part of the longest side."""

NOISE = 0.1
"""Standard deviation of the noise on `linear`, in standard deviations of each channel."""


@REPLACEMENTS.register("mean")
def mean(subject: Subject) -> Fill:
    """Each channel's mean over all rows given."""
    values = subject.planes.mean((0, 2), dtype=np.float64)[:, None].astype(subject.x.dtype)
    return lambda row, gone: values


@REPLACEMENTS.register("zero")
def zero(subject: Subject) -> Fill:
    """0 in the model's input space: the papers' choice, the mean colour after their normalisation."""
    return lambda row, gone: np.zeros((1, 1), subject.x.dtype)


@REPLACEMENTS.register("blur")
def blur(subject: Subject) -> Fill:
    """The row itself, blurred by a Gaussian of a sixteenth of its longest side."""
    spatial = subject.layout.spatial
    if subject.layout.channels == "none" and len(spatial) < 2:
        raise InputError("features of a table have no neighbours to blur with; choose another replacement")
    deviation = max(spatial) / BLUR

    def fill(row: int, gone: Array) -> Array:
        plane = subject.planes[row]
        blurred: Array = gaussian(plane.reshape(-1, *spatial), deviation, len(spatial)).reshape(plane.shape)
        return np.asarray(blurred, plane.dtype)

    return fill


@REPLACEMENTS.register("uniform")
def uniform(subject: Subject) -> Fill:
    """Uniform noise between each channel's smallest and largest value over all rows given; the same in every step."""
    low = subject.planes.min((0, 2))[:, None]
    high = subject.planes.max((0, 2))[:, None]

    def fill(row: int, gone: Array) -> Array:
        rng = np.random.default_rng([subject.seed, row])
        return np.asarray(low + (high - low) * rng.random(subject.planes[row].shape), subject.x.dtype)

    return fill


@REPLACEMENTS.register("linear")
def linear(subject: Subject) -> Fill:
    """Noisy linear imputation: the weighted mean of the neighbours, all solved together (ROAD, Rong et al., 2022)."""
    if not subject.layout.is_picture:
        raise InputError(f"replacement 'linear' needs rows with height and width, not {subject.layout.shape}")
    spread = subject.planes.std((0, 2), dtype=np.float64)[:, None]

    def fill(row: int, gone: Array) -> Array:
        rng = np.random.default_rng([subject.seed, row])
        filled = np.stack([impute(subject.planes[row], one, subject.layout.spatial) for one in gone])
        noise = NOISE * spread * rng.standard_normal(subject.planes[row].shape)
        return np.asarray(filled + noise, subject.x.dtype)

    return fill
