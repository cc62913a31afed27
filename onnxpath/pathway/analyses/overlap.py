"""How much the pathways of different selectors overlap on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from onnxpath.pathway.analyses.registry import ANALYSES, Found, Result, check_same, deviation, mean, ratio
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Overlap:
    """Jaccard index of two sets of neurons, mean and standard deviation over inputs.

    independent: the mean of what two sets of these sizes have where they are drawn independently. None where both sets
    are empty on every input.
    """

    jaccard: float | None
    deviation: float | None
    independent: float | None


@dataclass(frozen=True)
class PairOverlap:
    """Two selectors: overlap of all neurons pooled, and layer by layer in the order of `layers`."""

    one: str
    other: str
    pooled: Overlap
    by_layer: tuple[Overlap, ...]


@dataclass(frozen=True, repr=False)
class SelectorOverlap(Result):
    """Overlap of each pair of selectors, in their order."""

    selectors: tuple[str, ...]
    layers: tuple[str, ...]
    inputs: int
    pairs: tuple[PairOverlap, ...]

    def pair(self, one: str, other: str) -> PairOverlap:
        """Return the overlap of two selectors, in any order; KeyError where they are not a pair."""
        return {frozenset((p.one, p.other)): p for p in self.pairs}[frozenset((one, other))]


@ANALYSES.register("overlap")
def overlap(found: Found) -> SelectorOverlap:
    """Jaccard overlap between selectors, pooled and per layer, beside that of independent choices.

    Per input, then averaged (Khakzar et al., CVPR 2021). Raises InputError where there are no pathways or they differ
    in layers.
    """
    check_same(found)
    names = tuple(next(iter(found.values()))[0].masks)
    pairs = tuple(
        _pair(one, other, list(zip(found[one], found[other], strict=True)), names)
        for one, other in combinations(found, 2)
    )
    return SelectorOverlap(tuple(found), names, len(next(iter(found.values()))), pairs)


def jaccard(one: Array, other: Array) -> float | None:
    """Return intersection over union of two bool arrays of one shape, None where both are empty."""
    return ratio(int((one & other).sum()), int((one | other).sum()))


def independent(one: float, other: float) -> float | None:
    """Return the Jaccard index that independent random sets of these densities have in the limit of many neurons.

    ab / (a + b - ab), which is r / (2 - r) for two sets of density r; None for two empty sets.
    """
    return ratio(one * other, one + other - one * other)


Counts = tuple[int, int, int, int]
"""Neurons, kept by one, kept by the other, kept by both."""


def _pair(one: str, other: str, rows: Sequence[tuple[Pathway, Pathway]], names: Sequence[str]) -> PairOverlap:
    counts = [[_counts(a.masks[name], b.masks[name]) for name in names] for a, b in rows]
    pooled = [_added(row) for row in counts]
    by_layer = tuple(_overlap([row[index] for row in counts]) for index in range(len(names)))
    return PairOverlap(one, other, _overlap(pooled), by_layer)


def _counts(one: Array, other: Array) -> Counts:
    return one.size, int(one.sum()), int(other.sum()), int((one & other).sum())


def _added(row: Sequence[Counts]) -> Counts:
    neurons, one, other, both = (sum(column) for column in zip(*row, strict=True))
    return neurons, one, other, both


def _overlap(rows: Sequence[Counts]) -> Overlap:
    values = [ratio(both, one + other - both) for _, one, other, both in rows]
    expected = [independent(one / max(1, n), other / max(1, n)) for n, one, other, _ in rows]
    return Overlap(mean(values), deviation(values), mean(expected))
