"""Pathways of a class: what its inputs share, and whether they share more than inputs of other classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from onnxpath.pathway.analyses.registry import ANALYSES, Found, Result, check_same, mean, ratio
from onnxpath.pathway.pathway import Pathway
from onnxpath.runtime.session import Array

BLOCK = 1 << 20
"""Neurons that are counted at a time: a float32 sum of so many ones is exact."""


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
        return {f"classes/{s.selector}/{m.label}": dict(m.frequency) for s in self.selectors for m in s.maps}


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
        frequency = {name: _frequency([p.masks[name] for p in own]) for name in own[0].masks}
        made.append(ClassPathway(label, len(own), frequency))
    return made


def image_overlap(pathways: Sequence[Pathway]) -> tuple[Array, dict[str, Array]]:
    """Return the Jaccard index of every two inputs, pooled and by layer, float64 [N, N]; NaN for two empty sets."""
    both = {name: _intersections([p.masks[name] for p in pathways]) for name in pathways[0].masks}
    return _jaccard(np.sum(list(both.values()), axis=0)), {name: _jaccard(counts) for name, counts in both.items()}


def _selector(selector: str, pathways: Sequence[Pathway]) -> SelectorClasses:
    maps = class_pathways(pathways)
    labels = np.array([p.target for p in pathways])
    pooled, by_layer = image_overlap(pathways)
    return SelectorClasses(
        selector=selector,
        classes=tuple(_size(m, [p for p in pathways if p.target == m.label], pooled, labels) for m in maps),
        matrix=tuple(tuple(_between(pooled, labels, a.label, b.label) for b in maps) for a in maps),
        pooled=_contrast(pooled, labels),
        layers=tuple(
            LayerContrast(c.within, c.between, name)
            for name, c in ((name, _contrast(values, labels)) for name, values in by_layer.items())
        ),
        maps=tuple(maps),
    )


def _size(made: ClassPathway, pathways: Sequence[Pathway], pooled: Array, labels: Array) -> ClassSize:
    neurons = sum(values.size for values in made.frequency.values())
    return ClassSize(
        label=made.label,
        inputs=made.inputs,
        intersection=_total(made.intersection) / max(1, neurons),
        union=_total(made.union) / max(1, neurons),
        density=mean([p.density for p in pathways]) or 0.0,
        within=_between(pooled, labels, made.label, made.label),
    )


def _total(masks: Mapping[str, Array]) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


def _frequency(masks: Sequence[Array]) -> Array:
    total = np.zeros(masks[0].shape, np.int32)
    for mask in masks:
        total += mask
    return (total / len(masks)).astype(np.float32)


def _intersections(masks: Sequence[Array]) -> Array:
    """Return how many neurons every two masks share, int64 [N, N]; the diagonal is how many each keeps."""
    flat = np.stack([mask.reshape(-1) for mask in masks])
    total = np.zeros((len(flat), len(flat)), np.int64)
    for start in range(0, flat.shape[1], BLOCK):
        part = flat[:, start : start + BLOCK].astype(np.float32)
        total += (part @ part.T).astype(np.int64)
    return total


def _jaccard(both: Array) -> Array:
    own = np.diag(both)
    either = own[:, None] + own[None, :] - both
    found: Array = np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)
    return found


def _between(values: Array, labels: Array, one: int, other: int) -> float | None:
    pairs = (labels[:, None] == one) & (labels[None, :] == other) & ~np.eye(len(labels), dtype=bool)
    return _mean(values[pairs])


def _contrast(values: Array, labels: Array) -> Contrast:
    same, different = labels[:, None] == labels[None, :], ~np.eye(len(labels), dtype=bool)
    return Contrast(_mean(values[same & different]), _mean(values[~same]))


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return ratio(float(known.sum()), len(known))
