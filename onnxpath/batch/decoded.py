"""Decoding many inputs: what the whole network, the active neurons and the pathway of each answer most strongly to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.explain import Batch, Failed, in_batches, targets
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.selection import Selection
from onnxpath.batch.unprocess import is_picture, spatial_axes, to_picture, value_range
from onnxpath.errors import unknown
from onnxpath.pathway.analyses.decode import Climb, decode
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.model import Model

NETWORKS = ("original", "active", "pathway")
"""What can be decoded: the network without masks, its active neurons alone, the pathway."""


@dataclass(frozen=True)
class DecodedItem:
    """One input, decoded from one network or several.

    values: network -> model input; pictures: network -> uint8 (H, W, 3), empty where inputs are no pictures; scores:
    network -> float64 [steps + 1], the target's logit; pathways: network -> the neurons that it was masked to.
    """

    item: InputItem
    target: int
    values: Mapping[str, NDArray[Any]]
    pictures: Mapping[str, NDArray[np.uint8]]
    scores: Mapping[str, NDArray[np.float64]]
    pathways: Mapping[str, Pathway]


def check_networks(networks: Sequence[str]) -> list[str]:
    """Return the networks to decode, each once; UnknownName for one that there is not."""
    if wrong := [name for name in networks if name not in NETWORKS]:
        raise unknown("network to decode", wrong, NETWORKS)
    return list(dict.fromkeys(networks))


def decode_items(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    networks: Sequence[str],
    climb: Climb,
    selection: Selection,
    target: int | None = None,
    output: str | None = None,
) -> Iterator[DecodedItem | Failed]:
    """Yield each input decoded, in order, or a Failed; selection: of the pathway; target, output: of all inputs."""

    def run(batch: Batch) -> list[DecodedItem]:
        x, goal = np.stack([loaded.array for _, loaded in batch]), targets(batch, target)
        selected = {
            "active": Selection("active-subnet", 0.0),
            "pathway": selection,
        }
        pathways = {n: selected[n].pathways(model, x, goal, output) for n in networks if n in selected}
        picture = is_picture(preprocess, x.shape[1:])
        bounds = value_range(preprocess) if picture else None
        axes = spatial_axes(preprocess) if picture else (-2, -1)
        found = {
            name: decode(model, x, goal, pathways.get(name), output, bounds, axes, **asdict(climb)) for name in networks
        }
        return [
            DecodedItem(
                item=item,
                target=int(next(iter(found.values())).target[row]),
                values={name: d.values[row] for name, d in found.items()},
                pictures={n: to_picture(preprocess, d.values[row]) for n, d in found.items()} if picture else {},
                scores={name: d.scores[row] for name, d in found.items()},
                pathways={name: rows[row] for name, rows in pathways.items()},
            )
            for row, (item, _) in enumerate(batch)
        ]

    return in_batches(model, items, preprocess, run)
