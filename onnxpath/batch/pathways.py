"""Pathways of many inputs by several selectors: each input is read once, and has the pathways of all or fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onnxpath.batch.explain import Batch, Failed, in_batches, stacked, targets
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.selection import Selection
from onnxpath.pathway.contributions import layer_contributions
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import resolve_target


@dataclass(frozen=True)
class Traced:
    """One input: selector -> pathway, and layer -> summed |contribution| where that was asked for."""

    item: InputItem
    pathways: Mapping[str, Pathway]
    contributions: Mapping[str, float] | None


def pathway_items(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    selections: Sequence[Selection],
    target: int | None = None,
    output: str | None = None,
    contributions: bool = False,
) -> Iterator[Traced | Failed]:
    """Yield the critical pathways of each input, in order, or a Failed.

    selections: each of another selector; contributions: also those of the layers. A rule for the sparsity is searched
    on the first inputs that run together, for each selector, and what is found serves all.
    """
    asked = {selection.selector: selection for selection in selections}

    def run(batch: Batch) -> list[Traced]:
        x, goal = stacked(model, batch), targets(batch, target)
        found = {name: selection.pathways(model, x, goal, output) for name, selection in asked.items()}
        for name, rows in found.items():
            if isinstance(asked[name].sparsity, str):
                asked[name] = replace(asked[name], sparsity=rows[0].sparsity)
        sums = {}
        if contributions:
            sums = layer_contributions(model, model.feeds(x), resolve_target(model, goal, len(batch), output))
        return [
            Traced(
                item,
                {name: rows[index] for name, rows in found.items()},
                {name: float(values[index]) for name, values in sums.items()} if contributions else None,
            )
            for index, (item, _) in enumerate(batch)
        ]

    return in_batches(model, items, preprocess, run)
