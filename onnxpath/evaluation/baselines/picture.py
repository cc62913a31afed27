"""What the picture alone gives: its edges, and its centre."""

from __future__ import annotations

import numpy as np

from onnxpath.evaluation.filters import sobel
from onnxpath.evaluation.registry import baseline
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array

LUMA = (0.299, 0.587, 0.114)


@baseline("edges")
def edges(subject: Subject) -> Array:
    """Sobel gradient of the luminance (of the mean over channels, where there are not three)."""
    planes = subject.planes
    weights = np.asarray(LUMA) if planes.shape[1] == 3 else np.full(planes.shape[1], 1 / planes.shape[1])
    grey = np.einsum("ncp,c->np", planes.astype(np.float64), weights)
    return sobel(grey.reshape(-1, *subject.layout.spatial))


@baseline("centre-gaussian")
def centre_gaussian(subject: Subject) -> Array:
    """A Gaussian at the centre, a quarter of each side wide: what a guess without looking gives."""
    grids = [((np.arange(n) + 0.5) / n - 0.5) / 0.25 for n in subject.layout.spatial]
    one = np.exp(-0.5 * (grids[0][:, None] ** 2 + grids[1] ** 2))
    return np.repeat(one[None], subject.rows, 0)
