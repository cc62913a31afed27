"""Features of black-box methods: values of the inputs that are perturbed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.perturb import Probe
from onnxpath.errors import InputError
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Features:
    """Features over all perturbed inputs.

    count: how many; masks: the feature 0 .. count - 1 of every value of an input, int64 of the input's shape.
    """

    count: int
    masks: dict[str, Array]

    @classmethod
    def of(cls, probe: Probe, given: Any) -> Features:
        """Number the features of a mask from 0 on, without gaps; one number in several inputs is one feature.

        given: integers that broadcast to the input, a tuple of those in the inputs' order, or a dict by name; default
        every value by itself, counted on from input to input. Raises InputError, UnknownName.
        """
        if given is None:
            sizes = [int(np.prod(probe.feeds[name].shape[1:])) for name in probe.names]
            starts = np.cumsum([0, *sizes])
            masks = {
                name: np.broadcast_to(start + np.arange(size).reshape(1, *probe.feeds[name].shape[1:]), x.shape)
                for name, start, size in zip(probe.names, starts, sizes, strict=False)
                for x in [probe.feeds[name]]
            }
            return cls(int(starts[-1]), masks)
        arrays = {name: _mask(name, value, probe.feeds[name]) for name, value in probe.by_name(given, None).items()}
        known = np.unique(np.concatenate([np.unique(a) for a in arrays.values()]))
        numbered = {name: np.searchsorted(known, a) for name, a in arrays.items()}
        return cls(len(known), {n: np.broadcast_to(m, probe.feeds[n].shape) for n, m in numbered.items()})

    def spread(self, values: Array) -> dict[str, Array]:
        """Return values of features, [count, N], at every place of the inputs."""
        rows = np.arange(values.shape[1])
        return {n: values[m, rows.reshape(-1, *[1] * (m.ndim - 1))] for n, m in self.masks.items()}


def _mask(name: str, given: Any, x: Array) -> Array:
    mask = np.asarray(given)
    if given is None or mask.dtype.kind not in "iu":
        raise InputError(f"the feature mask of input '{name}' must hold whole numbers; {mask.dtype} was given")
    try:
        np.broadcast_to(mask, x.shape)
    except ValueError as error:
        raise InputError(f"the feature mask does not fit input '{name}' {x.shape}: {error}") from error
    return mask
