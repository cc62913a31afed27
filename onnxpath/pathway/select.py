"""The cut: from scores to masks, with exactly the definition of docs/methods.md, "The cut"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.lowering.largest import SAMPLE, SLACK
from onnxpath.runtime.session import Array

SCOPES = ("global", "layer")


def select(scores: Mapping[str, Array], sparsity: float, scope: str = "global") -> dict[str, Array]:
    """Keep the neurons with the largest scores, row by row.

    scores: layer -> [N, ...], not negative; sparsity: fraction pruned, 0 to 1; scope: "global" pools all layers,
    "layer" cuts each by itself. Returns layer -> bool [N, ...]. k = round((1 - sparsity) * count) are kept: those above
    the (k+1)-th largest score, so fewer where scores tie there. Raises InputError, UnknownName.
    """
    check_cut(sparsity, scope)
    if scope == "layer":
        return {name: _cut({name: s}, sparsity)[name] for name, s in scores.items()}
    return _cut(scores, sparsity)


def check_cut(sparsity: float | str, scope: str) -> None:
    """Raise InputError or UnknownName where a sparsity or a scope cannot be used."""
    if scope not in SCOPES:
        raise unknown("scope", [scope], SCOPES)
    if isinstance(sparsity, str):
        raise InputError(f"a rule for the sparsity needs the host, which searches it; give a number, not '{sparsity}'")
    if not 0 <= sparsity <= 1:
        raise InputError(f"sparsity is the fraction of neurons pruned, 0 to 1; {sparsity} was given")


def _cut(scores: Mapping[str, Array], sparsity: float) -> dict[str, Array]:
    flat = {name: s.reshape(len(s), -1) for name, s in scores.items()}
    count = sum(s.shape[1] for s in flat.values())
    keep = round((1 - sparsity) * count)
    rows = range(len(next(iter(flat.values()))))
    # numpy lets go of the interpreter while it counts and compares: a network's scores take longer than its forward.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        taus = np.array(list(pool.map(lambda row: threshold([s[row] for s in flat.values()], count, keep), rows)))
        masks = list(pool.map(lambda s: s > taus[:, None], flat.values()))
    return {name: mask.reshape(scores[name].shape) for name, mask in zip(flat, masks, strict=True)}


def threshold(parts: list[Array], count: int, keep: int) -> Any:
    """Return the (keep+1)-th largest of all scores in `parts`, -inf where all are kept.

    A sample gives two bounds that the cut most likely lies between, and only what is between them is sorted: 6 ms
    against 39 for all positive scores, of 4 million. Where the sample was wrong, all positive scores decide.
    """
    if keep >= count:
        return -np.inf
    sample = np.sort(np.concatenate([p[:: max(1, count // SAMPLE)] for p in parts]))
    place = len(sample) - 1 - round(keep / count * len(sample))
    low, high = sample[max(0, place - SLACK)], sample[min(len(sample) - 1, place + SLACK)]
    above = sum(int(np.count_nonzero(p > high)) for p in parts)
    between = np.concatenate([p[(p > low) & (p <= high)] for p in parts])
    if above <= keep < above + len(between):
        return _largest(between, keep - above)
    positive = np.concatenate([p[p > 0] for p in parts])
    return _largest(positive, keep) if keep < len(positive) else positive.dtype.type(0)


def _largest(values: Array, rank: int) -> Any:
    place = len(values) - 1 - rank
    return np.partition(values, place)[place]
