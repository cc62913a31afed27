"""The linear radius of many inputs: of the whole network, and of each one's pathway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from onnxpath.batch.explain import Batch, Failed, in_batches, targets
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.selection import Selection
from onnxpath.pathway.analyses.radius import LinearRadius, linear_radius
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.model import Model


@dataclass(frozen=True)
class RadiusItem:
    """One input: the radius of the whole network's linear region, and of the pathway's."""

    item: InputItem
    original: LinearRadius
    masked: LinearRadius
    pathway: Pathway


def radius_items(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    units: int | None,
    selection: Selection,
    target: int | None = None,
    output: str | None = None,
) -> Iterator[RadiusItem | Failed]:
    """Yield both radii of each input, in order, or a Failed; units: as of `linear_radius`."""

    def run(batch: Batch) -> list[RadiusItem]:
        x = np.stack([loaded.array for _, loaded in batch])
        pathways = selection.pathways(model, x, targets(batch, target), output)
        whole = linear_radius(model, x, None, output, units)
        masked = linear_radius(model, x, pathways, output, units)
        rows = zip(batch, whole, masked, pathways, strict=True)
        return [RadiusItem(item, one, other, pathway) for (item, _), one, other, pathway in rows]

    return in_batches(model, items, preprocess, run)
