"""Pathways of a class: what its inputs share, and whether they share more than inputs of other classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from onnxpath.pathway.analyses.registry import ANALYSES, Found, Result, check_same, mean, ratio
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.session import Array

BLOCK = 1 << 24
"""Neurons of all inputs together that are counted at a time: a float32 sum of so many ones is exact."""


class Frequencies(Mapping[str, Array]):
    """Layer -> float32 fraction of a class's inputs that keep each neuron.

    Counted anew at every access: kept, those of a thousand classes would be a thousand times the network.
    """

    def __init__(self, pathways: Sequence[Pathway]) -> None:
        self._pathways = pathways

    def __getitem__(self, name: str) -> Array:
        total: Array = np.zeros(self._pathways[0].masks[name].shape, np.int32)
        for pathway in self._pathways:
            total += pathway.masks[name]
        return (total / len(self._pathways)).astype(np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._pathways[0].masks)

    def __len__(self) -> int:
        return len(self._pathways[0].masks)


@dataclass(frozen=True)
class ClassPathway:
    """The pathways of one class together; frequency: layer -> float32 fraction of its inputs that keep each neuron."""

    label: int
    inputs: int
    frequency: Mapping[str, Array]

    @property
    def intersection(self) -> dict[str, Array]:
        """Layer -> neurons that every input of the class keeps, bool."""
        return {name: values == 1 for name, values in self.frequency.items()}

    @property
    def union(self) -> dict[str, Array]:
        """Layer -> neurons that some input of the class keeps, bool."""
        return {name: values > 0 for name, values in self.frequency.items()}


@dataclass(frozen=True)
class ClassSize:
    """One class: fraction of all neurons that every input keeps, that some input keeps, and that one keeps on average.

    within: mean Jaccard index of two different inputs of the class, None for a class of one input.
    """

    label: int
    inputs: int
    intersection: float
    union: float
    density: float
    within: float | None


@dataclass(frozen=True)
class Contrast:
    """Mean Jaccard index of two different inputs: of one class (within), of two classes (between); None without any."""

    within: float | None
    between: float | None


@dataclass(frozen=True)
class LayerContrast(Contrast):
    """The contrast in one layer alone."""

    name: str


@dataclass(frozen=True)
class SelectorClasses:
    """One selector: its classes in order of their index, and how they differ.

    matrix: mean Jaccard index of inputs of class i and class j, different inputs; None where there are none; pooled:
    the contrast over all neurons; layers: layer by layer; maps: the class pathways themselves, not printed.
    """

    selector: str
    classes: tuple[ClassSize, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    pooled: Contrast
    layers: tuple[LayerContrast, ...]
    maps: tuple[ClassPathway, ...] = field(default=(), repr=False, metadata={"json": False})


@dataclass(frozen=True, repr=False)
class Classes(Result):
    """Class pathways of every selector."""

    selectors: tuple[SelectorClasses, ...]

    def files(self) -> Mapping[str, Mapping[str, Array]]:
        """Return the frequency maps: one file per selector and class, an array per layer."""
        return {f"classes/{s.selector}/{m.label}": m.frequency for s in self.selectors for m in s.maps}


@ANALYSES.register("classes")
def classes(found: Found) -> Classes:
    """Class pathways (intersection, union, frequency), and overlap of inputs within and between classes.

    An input's class is the explained one. Raises InputError where there are no pathways or they differ in layers.
    """
    check_same(found)
    return Classes(tuple(_selector(selector, pathways) for selector, pathways in found.items()))


def class_pathways(pathways: Sequence[Pathway], labels: Sequence[int] | None = None) -> list[ClassPathway]:
    """Return the pathways of each class together, classes in order; labels: default each pathway's target."""
    given = [p.target for p in pathways] if labels is None else list(labels)
    made = []
    for label in sorted(set(given)):
        own = [p for p, own in zip(pathways, given, strict=True) if own == label]
        made.append(ClassPathway(label, len(own), Frequencies(own)))
    return made


def image_overlap(pathways: Sequence[Pathway]) -> tuple[Array, dict[str, Array]]:
    """Return the Jaccard index of every two inputs, pooled and by layer, float64 [N, N]; NaN for two empty sets."""
    both = dict(_shared(pathways))
    return _jaccard(np.sum(list(both.values()), axis=0)), {name: _jaccard(counts) for name, counts in both.items()}


def _selector(selector: str, pathways: Sequence[Pathway]) -> SelectorClasses:
    maps = class_pathways(pathways)
    labels = np.array([p.target for p in pathways])
    total: Array = np.zeros((len(labels), len(labels)), np.int64)
    layers = []
    for name, both in _shared(pathways):
        total += both
        found = _contrast(_jaccard(both), labels)
        layers.append(LayerContrast(found.within, found.between, name))
    pooled = _jaccard(total)
    matrix = _by_class(pooled, labels, [m.label for m in maps])
    return SelectorClasses(
        selector=selector,
        classes=tuple(
            _size(m, [p for p in pathways if p.target == m.label], matrix[place][place]) for place, m in enumerate(maps)
        ),
        matrix=matrix,
        pooled=_contrast(pooled, labels),
        layers=tuple(layers),
        maps=tuple(maps),
    )


def _size(made: ClassPathway, pathways: Sequence[Pathway], within: float | None) -> ClassSize:
    neurons = every = some = 0
    for values in made.frequency.values():
        neurons += values.size
        every += int((values == 1).sum())
        some += int((values > 0).sum())
    return ClassSize(
        label=made.label,
        inputs=made.inputs,
        intersection=every / max(1, neurons),
        union=some / max(1, neurons),
        density=mean([p.density for p in pathways]) or 0.0,
        within=within,
    )


def _shared(pathways: Sequence[Pathway]) -> Iterator[tuple[str, Array]]:
    """Yield each layer and how many of its neurons every two inputs share, int64 [N, N]."""
    for name in pathways[0].masks:
        yield name, _intersections([p.masks[name] for p in pathways])


def _intersections(masks: Sequence[Array]) -> Array:
    """Return how many neurons every two masks share, int64 [N, N]; the diagonal is how many each keeps."""
    flat = [mask.reshape(-1) for mask in masks]
    total = np.zeros((len(flat), len(flat)), np.int64)
    width = max(1, BLOCK // len(flat))
    for start in range(0, flat[0].size, width):
        part = np.stack([one[start : start + width] for one in flat]).astype(np.float32)
        total += (part @ part.T).astype(np.int64)
    return total


def _jaccard(both: Array) -> Array:
    own = np.diag(both)
    either = own[:, None] + own[None, :] - both
    found: Array = np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)
    return found


def _by_class(values: Array, labels: Array, order: Sequence[int]) -> tuple[tuple[float | None, ...], ...]:
    """Return the mean of values [N, N] of different inputs by the classes of both, [C][C]; None without any."""
    member = (np.array(order)[:, None] == labels[None, :]).astype(np.float64)
    known = ~np.isnan(values) & ~np.eye(len(labels), dtype=bool)
    sums = member @ np.where(known, values, 0.0) @ member.T
    counts = member @ known.astype(np.float64) @ member.T
    return tuple(
        tuple(ratio(float(total), int(count)) for total, count in zip(*row, strict=True))
        for row in zip(sums, counts, strict=True)
    )


def _contrast(values: Array, labels: Array) -> Contrast:
    same, different = labels[:, None] == labels[None, :], ~np.eye(len(labels), dtype=bool)
    return Contrast(_mean(values[same & different]), _mean(values[~same]))


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return ratio(float(known.sum()), len(known))
