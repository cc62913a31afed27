"""Chance: random maps, plain and blurred."""

from __future__ import annotations

import numpy as np

from onnxpath.evaluation.filters import gaussian
from onnxpath.evaluation.registry import baseline
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array

BLUR = 16
"""Blurred maps have a standard deviation of this part of the longest side."""


@baseline("random", picture=False)
def random(subject: Subject) -> Array:
    """Normal noise, one number for each position."""
    rng = np.random.default_rng([subject.seed, 1])
    return rng.standard_normal((subject.rows, subject.layout.positions))


@baseline("blurred-random")
def blurred_random(subject: Subject) -> Array:
    """Normal noise blurred by a Gaussian of a sixteenth of the longest side: smoothness alone."""
    rng = np.random.default_rng([subject.seed, 2])
    spatial = subject.layout.spatial
    return gaussian(rng.standard_normal((subject.rows, *spatial)), max(spatial) / BLUR)
