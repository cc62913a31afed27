"""What two models, or two runs, have in common and where they differ, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.likeness import Likeness, likeness, relative_difference
from onnxpath.errors import InputError
from onnxpath.pathway.analyses.overlap import independent
from onnxpath.pathway.pathway import Pathway, Readings, read_logits
from onnxpath.shown import Shown


@dataclass(frozen=True)
class LayerPair:
    """A layer of one and the layer of the other that it is compared with.

    by: what says that they belong together, "name" | "order and shape"; nodes: the linear nodes of the first model
    that make the layer out of those before it, empty where the model is not at hand.
    """

    one: str
    other: str
    by: str
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One input in one model: what it predicts, and softmax and margin of the target (None without several classes).

    value: the output where it has one entry, so that nothing is predicted; None elsewhere.
    """

    prediction: int
    target: int
    softmax: float | None
    margin: float | None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One input in both models.

    logits: relative difference of the outputs; overlap: Jaccard index of the pathways over the matched layers;
    by_layer: the same in each matched layer; independent: what sets of these sizes have by chance, in each;
    differences: relative difference of the activations of each, None where activations are not at hand; maps: method ->
    likeness; density: fraction of the neurons of the matched layers that each pathway keeps, kept: the same in each
    layer, (first model, other), None without pathways.
    Where the two were explained for different targets, overlap and maps compare different questions.
    """

    name: str
    label: int | None
    one: Side
    other: Side
    logits: float
    overlap: float | None
    by_layer: tuple[float | None, ...]
    independent: tuple[float | None, ...]
    differences: tuple[float, ...] | None
    maps: Mapping[str, Likeness]
    density: tuple[float, float] | None = None
    kept: tuple[tuple[float, float], ...] | None = None

    @property
    def agree(self) -> bool | None:
        """Whether both predict the same entry; None where the output has one."""
        return None if self.one.value is not None else self.one.prediction == self.other.prediction

    @property
    def same_target(self) -> bool:
        """True where both were explained for the same entry."""
        return self.one.target == self.other.target


@dataclass(frozen=True)
class LayerSummary:
    """A pair of layers over all inputs explained for one target.

    overlap: mean Jaccard index; low: its 5 % quantile; independent: the mean of what chance gives; difference: median
    relative difference of the activations; high: its 95 % quantile; step: its growth since the layer before; kept_one,
    kept_other: mean fraction of the layer's neurons that the pathways keep.
    """

    pair: LayerPair
    overlap: float | None
    low: float | None
    independent: float | None
    difference: float | None
    high: float | None
    step: float | None
    kept_one: float | None = None
    kept_other: float | None = None


@dataclass(frozen=True)
class MapSummary:
    """A method over the inputs explained for one target: medians, 5 % quantiles; undefined: inputs without a value."""

    method: str
    cosine: float | None
    cosine_low: float | None
    spearman: float | None
    spearman_low: float | None
    undefined: int


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Two models on the same inputs, or two finished runs.

    one, other: what they are called; pairs: matched layers in order; left_one, left_other: layers without a partner;
    threshold: relative difference from which a layer counts as diverging; inputs: what is compared; only_one,
    only_other: inputs of one run alone; notes: what a reader should know.
    """

    one: str
    other: str
    pairs: tuple[LayerPair, ...]
    left_one: tuple[str, ...]
    left_other: tuple[str, ...]
    threshold: float
    inputs: tuple[Compared, ...]
    only_one: tuple[str, ...] = ()
    only_other: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def agreement(self) -> float | None:
        """Fraction of the inputs with one prediction; None where no output has several entries."""
        return _mean(_known([row.agree for row in self.inputs]))

    @property
    def changed(self) -> list[Compared]:
        """Inputs with different predictions, those that the first model was surest of first."""
        rows = [row for row in self.inputs if row.agree is False]
        return sorted(rows, key=lambda row: -(row.one.margin if row.one.margin is not None else 0.0))

    @property
    def comparable(self) -> list[Compared]:
        """Inputs that were explained for one target."""
        return [row for row in self.inputs if row.same_target]

    def layers(self) -> list[LayerSummary]:
        """Return the matched layers over all comparable inputs, in order."""
        rows, found = self.comparable, list[LayerSummary]()
        for index, pair in enumerate(self.pairs):
            overlaps = _known([row.by_layer[index] for row in rows])
            differences = _known([None if row.differences is None else row.differences[index] for row in rows])
            middle = _quantile(differences, 0.5)
            before = found[-1].difference if found else 0.0
            kept = [row.kept[index] for row in rows if row.kept is not None]
            found.append(
                LayerSummary(
                    pair=pair,
                    overlap=_mean(overlaps),
                    low=_quantile(overlaps, 0.05),
                    independent=_mean(_known([row.independent[index] for row in rows])),
                    difference=middle,
                    high=_quantile(differences, 0.95),
                    step=None if middle is None or before is None else middle - before,
                    kept_one=_mean([one for one, _ in kept]),
                    kept_other=_mean([other for _, other in kept]),
                )
            )
        return found

    @property
    def first_diverging(self) -> LayerSummary | None:
        """The first matched layer whose median difference is above the threshold; None where none is."""
        return next((s for s in self.layers() if s.difference is not None and s.difference > self.threshold), None)

    @property
    def density(self) -> tuple[float | None, float | None]:
        """Mean fraction of the neurons of the matched layers that the pathways keep, (first model, other)."""
        known = [row.density for row in self.comparable if row.density is not None]
        return _mean([one for one, _ in known]), _mean([other for _, other in known])

    @property
    def overlap(self) -> float | None:
        """Mean Jaccard index of the pathways over the matched layers."""
        return _mean(_known([row.overlap for row in self.comparable]))

    def maps(self) -> list[MapSummary]:
        """Return the likeness of the maps by method."""
        rows = self.comparable
        methods = dict.fromkeys(name for row in rows for name in row.maps)
        return [_map_summary(name, [row.maps[name] for row in rows if name in row.maps]) for name in methods]


def compared(
    name: str,
    label: int | None,
    logits: tuple[NDArray[Any], NDArray[Any]],
    targets: tuple[int, int],
    pathways: tuple[Pathway, Pathway] | None,
    pairs: Sequence[LayerPair],
    maps: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    differences: tuple[float, ...] | None = None,
) -> Compared:
    """Compare one input; each pair is (first model, other model). Raises InputError where sizes differ."""
    sizes = {f"the map of method '{method}'": pair for method, pair in maps.items()} | {"the output": logits}
    for what, (a, b) in sizes.items():
        if np.size(a) != np.size(b):
            raise InputError(f"{name}: {what} has {np.size(a)} values in one and {np.size(b)} in the other")
    counts = [_counts(pathways[0].masks[p.one], pathways[1].masks[p.other]) for p in pairs] if pathways else []
    total = tuple(map(sum, zip(*counts, strict=True))) if counts else (0, 0, 0, 0)
    return Compared(
        name=name,
        label=label,
        one=_side(logits[0], targets[0]),
        other=_side(logits[1], targets[1]),
        logits=relative_difference(*logits),
        overlap=_index(total),
        by_layer=tuple(map(_index, counts)) if counts else (None,) * len(pairs),
        independent=tuple(independent(a / max(1, n), b / max(1, n)) for n, a, b, _ in counts) or (None,) * len(pairs),
        differences=differences,
        maps={method: likeness(*pair) for method, pair in maps.items()},
        density=_densities(total) if counts else None,
        kept=tuple(map(_densities, counts)) if counts else None,
    )


def _side(logits: NDArray[Any], target: int) -> Side:
    said: Readings = read_logits(np.asarray(logits), target, 0.0)
    value = np.asarray(logits).item() if said.entries == 1 else None
    return Side(said.prediction, target, said.softmax, said.margin, value)


def _counts(one: NDArray[Any], other: NDArray[Any]) -> tuple[int, int, int, int]:
    if one.shape != other.shape:
        raise InputError(f"pathways of masks {one.shape} and {other.shape} cannot be compared; use one input size")
    return one.size, int(one.sum()), int(other.sum()), int((one & other).sum())


def _densities(counts: Sequence[int]) -> tuple[float, float]:
    neurons, one, other, _ = counts
    return one / max(1, neurons), other / max(1, neurons)


def _index(counts: Sequence[int]) -> float | None:
    _, one, other, both = counts
    return both / (one + other - both) if one or other else None


def _known(values: Sequence[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _quantile(values: Sequence[float], q: float) -> float | None:
    return float(np.quantile(values, q)) if values else None


def _map_summary(method: str, found: Sequence[Likeness]) -> MapSummary:
    cosines, ranks = _known([f.cosine for f in found]), _known([f.spearman for f in found])
    return MapSummary(
        method,
        _quantile(cosines, 0.5),
        _quantile(cosines, 0.05),
        _quantile(ranks, 0.5),
        _quantile(ranks, 0.05),
        sum(f.cosine is None or f.spearman is None for f in found),
    )
