"""What each layer of the pathways holds: how many neurons are kept, and how many of those are dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnxpath.pathway.analyses.registry import ANALYSES, Found, Result, check_same, deviation, mean, ratio
from onnxpath.pathway.pathway import Pathway


@dataclass(frozen=True)
class LayerRates:
    """One layer over all inputs: fraction kept, fraction active, and fraction of the kept ones that is dead.

    Means and standard deviations of the inputs' fractions. Inputs that keep nothing in the layer have no dead
    fraction and are left out of it; None where no input has one, or where "inactive" is undefined.
    """

    name: str
    neurons: int
    kept: float
    kept_deviation: float
    active: float | None
    dead: float | None
    dead_deviation: float | None


@dataclass(frozen=True)
class SelectorRates:
    """One selector: means over all inputs of the pooled fractions and of what the masked network answers.

    softmax_kept: the target's softmax in the masked network over that in the whole one; kept_prediction: the fraction,
    None where an output has one entry, and change there: the mean distance of both networks' outputs over the mean size
    of the output (None elsewhere); rest as in `Pathway`.
    """

    selector: str
    inputs: int
    kept_prediction: float | None
    density: float
    dead: float | None
    base_sparsity: float | None
    softmax: float | None
    softmax_kept: float | None
    margin: float | None
    change: float | None
    layers: tuple[LayerRates, ...]


@dataclass(frozen=True, repr=False)
class Layers(Result):
    """Keep rates and dead fractions of every selector."""

    selectors: tuple[SelectorRates, ...]


@ANALYSES.register("layers")
def layers(found: Found) -> Layers:
    """Keep rate and dead fraction per layer and selector (Khakzar et al., CVPR 2021: dead neurons of a path).

    Raises InputError where there are no pathways or they differ in layers.
    """
    check_same(found)
    return Layers(tuple(_rates(selector, pathways) for selector, pathways in found.items()))


def _rates(selector: str, pathways: Sequence[Pathway]) -> SelectorRates:
    return SelectorRates(
        selector=selector,
        inputs=len(pathways),
        kept_prediction=mean([p.kept_prediction for p in pathways]),
        density=sum(p.density for p in pathways) / len(pathways),
        dead=mean([p.dead_fraction for p in pathways]),
        base_sparsity=mean([p.base_sparsity for p in pathways]),
        softmax=mean([p.masked.softmax for p in pathways]),
        softmax_kept=mean([_softmax_kept(p) for p in pathways]),
        margin=mean([p.margin for p in pathways]),
        change=_change([p for p in pathways if p.kept_prediction is None]),
        layers=tuple(_layer(pathways, index) for index in range(len(pathways[0].layers))),
    )


def _softmax_kept(pathway: Pathway) -> float | None:
    whole, masked = pathway.original.softmax, pathway.masked.softmax
    return None if whole is None or masked is None else ratio(masked, whole)


def _change(pathways: Sequence[Pathway]) -> float | None:
    moved = sum(abs(p.masked.logit - p.original.logit) for p in pathways)
    return ratio(moved, sum(abs(p.original.logit) for p in pathways))


def _layer(pathways: Sequence[Pathway], index: int) -> LayerRates:
    counts = [p.layers[index] for p in pathways]
    kept = [c.kept / max(1, c.neurons) for c in counts]
    dead = [None if c.dead is None else ratio(c.dead, c.kept) for c in counts]
    return LayerRates(
        name=counts[0].name,
        neurons=counts[0].neurons,
        kept=mean(kept) or 0.0,
        kept_deviation=deviation(kept) or 0.0,
        active=mean([None if c.active is None else c.active / max(1, c.neurons) for c in counts]),
        dead=mean(dead),
        dead_deviation=deviation(dead),
    )
