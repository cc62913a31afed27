"""Fingerprints: what a pathway keeps of each channel, as one vector per row for classifiers and detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.errors import InputError
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.model import load
from onnxpath.runtime.session import Array
from onnxpath.shown import Shown


@dataclass(frozen=True, repr=False)
class Fingerprints(Shown):
    """One vector per row.

    values: float64 [N, channels of all layers], the fraction of each channel's neurons that is kept; features: for each
    column its layer and channel.
    """

    values: Array
    features: tuple[tuple[str, int], ...]


def fingerprints(model: Any, pathways: Sequence[Pathway], output: str | None = None) -> Fingerprints:
    """Return the keep rate of every channel in the pathway of each row.

    model: the one that the pathways are of; output: theirs. For pathways of channels ("dgr") the rates are 0 or 1: the
    gates, cut. Wang et al. (CVPR 2018) tell adversarial inputs by such vectors.
    Raises InputError where there are no pathways, or some are of other layers.
    """
    if not pathways:
        raise InputError("fingerprints need pathways, and there are none; select some with critical_pathway")
    layers = load(model).layers(output)
    wanted = [layer.name for layer in layers]
    if wrong := [row for row, pathway in enumerate(pathways) if list(pathway.masks) != wanted]:
        raise InputError(
            f"pathway {wrong[0]} is not of this network's layers, {', '.join(wanted)}; "
            "give the model and the output that it was selected for"
        )
    columns, features = [], []
    for layer in layers:
        rates = np.stack([_rates(pathway.masks[layer.name], layer.channel_axis - 1) for pathway in pathways])
        columns.append(rates)
        features += [(layer.name, channel) for channel in range(rates.shape[1])]
    return Fingerprints(np.concatenate(columns, 1), tuple(features))


def _rates(mask: Array, axis: int) -> Array:
    """Return the fraction kept of each channel; axis: of the channels, -1 where a row has none of its own."""
    if mask.ndim == 0:
        return mask.reshape(1).astype(np.float64)
    return np.asarray(np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1).mean(1))
