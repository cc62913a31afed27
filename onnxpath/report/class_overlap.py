"""How much the pathways of classes overlap: a few inputs of the classes that are explained most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.errors import InputError
from onnxpath.pathway.pathway import Pathway
from onnxpath.report.figures import MOST_EXAMPLES, Figures

MOST_CLASSES = 16
MOST_BYTES = 1 << 26
"""Of masks, as bits, that are held at a time; of large networks fewer inputs of each class are compared."""

BLOCK = 1 << 16
"""Bytes of all masks that are intersected at a time."""


@dataclass
class ClassOverlap:
    """Mean Jaccard index of the pathways of two inputs, by the classes that they were explained for.

    classes: names, in order of their indices; inputs: how many were compared of
    each; explained: inputs of each in the whole run; matrix: [i][j] over pairs of different inputs of class i and j,
    None where there are none; within, between: means over all pairs of one class and of two; of: classes of the run.
    """

    classes: list[str]
    indices: list[int]
    inputs: list[int]
    explained: list[int]
    matrix: list[list[float | None]]
    within: float | None
    between: float | None
    of: int


def class_overlap(folder: Path, figures: Figures) -> ClassOverlap | None:
    """Compare the first inputs of each of the MOST_CLASSES classes explained most often; None for fewer than two.

    folder: of the raw arrays, from which masks are read again. An input whose arrays cannot be read, or whose layers
    have other sizes than the first one's, is left out.
    """
    most = sorted(figures.explained.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_CLASSES]
    masks: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    each = MOST_EXAMPLES
    # Inputs in turn, one of each class, so that every class has its share where memory is short.
    for turn in range(MOST_EXAMPLES):
        for label, _ in most:
            if turn < each and turn < len(names := figures.examples[label]):
                read = _masks(folder / names[turn])
                if read is not None and (not masks or read.size == masks[0].size):
                    masks.append(read)
                    labels.append(label)
                    each = max(2, min(MOST_EXAMPLES, MOST_BYTES // max(1, read.size * len(most))))
    kept = sorted(set(labels))
    if len(kept) < 2:
        return None
    return _summed_up(kept, labels, jaccard(masks), figures)


def jaccard(masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return the Jaccard index of every two sets of bits (bytes of one length), [N, N]; NaN for two empty ones."""
    bits = np.stack(masks)
    both = np.zeros((len(bits), len(bits)), np.int64)
    width = max(1, BLOCK // len(bits))
    for start in range(0, bits.shape[1], width):
        part = bits[:, start : start + width]
        for row, own in enumerate(part):
            both[row] += np.bitwise_count(part & own).sum(1, dtype=np.int64)
    own = np.diag(both)
    either = own[:, None] + own[None, :] - both
    found: NDArray[np.float64] = np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)
    return found


def _summed_up(
    kept: Sequence[int], labels: Sequence[int], values: NDArray[np.float64], figures: Figures
) -> ClassOverlap:
    given, other = np.array(labels), ~np.eye(len(labels), dtype=bool)
    same = given[:, None] == given[None, :]

    def between(one: int, two: int) -> float | None:
        return _mean(values[(given[:, None] == one) & (given[None, :] == two) & other])

    return ClassOverlap(
        classes=[figures.names[label] for label in kept],
        indices=list(kept),
        inputs=[labels.count(label) for label in kept],
        explained=[figures.explained[label] for label in kept],
        matrix=[[between(one, two) for two in kept] for one in kept],
        within=_mean(values[same & other]),
        between=_mean(values[~same]),
        of=len(figures.explained),
    )


def _mean(values: NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _masks(path: Path) -> NDArray[np.uint8] | None:
    """Return the masks of all layers as bits, one layer behind the other; None where there are none."""
    try:
        masks = Pathway.load(path).masks
    except InputError:
        return None
    return np.concatenate([np.packbits(mask.reshape(-1)) for mask in masks.values()]) if masks else None
