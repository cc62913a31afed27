"""The registry of selectors and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from onnxpath.options import Options
from onnxpath.registry import Registry
from onnxpath.runtime.session import Array

Masks: TypeAlias = Callable[[float, str], dict[str, Array]]
"""f(sparsity, scope) -> layer -> bool [n, ...]."""


@dataclass
class Scores:
    """Scores of one run of rows.

    logits: [n, ...] of the unmasked network; signed: layer -> contribution or gate [n, ...], an array, or a device
    value on CUDA; its magnitude is what selection compares; inactive: layer -> bool [n, ...] where that is defined, or
    None where it was not asked for; masks: how neurons are selected where it is not by a cut of the scores;
    takes_sparsity: False where `masks` answers the same whatever it is given.
    """

    logits: Array
    signed: dict[str, Any]
    inactive: dict[str, Array] | None
    masks: Masks | None = None
    takes_sparsity: bool = True

    def magnitudes(self) -> dict[str, Array]:
        """Return layer -> |contribution|, in place of the signed ones, which are not needed after."""
        return {name: np.abs(s, out=s) for name, s in self.signed.items()}


Selector: TypeAlias = Callable[..., Scores]
"""f(setup, feeds, target_feed, rows, activity, **options): feeds of one run; rows: which rows of the whole they are."""

SELECTORS: Registry[Selector] = Registry("selector")

CONTROLS: set[str] = set()
"""Selectors that ask nothing of the target, and so need no gradient."""


OWN_DENSITY: set[str] = set()
"""Selectors that take no sparsity, whatever their options."""


def selector(name: str, control: bool = False, own_density: bool = False) -> Callable[[Selector], Selector]:
    """Decorator that registers a selector.

    control: it asks nothing of the target, and so needs no gradient; own_density: it takes no sparsity.
    """
    if control:
        CONTROLS.add(name)
    if own_density:
        OWN_DENSITY.add(name)
    return SELECTORS.register(name)


def options_of(name: str) -> Options:
    """Return what a selector can be given. Raises UnknownName."""
    return Options(f"selector '{name}'", SELECTORS.get(name))


def rows_rng(seed: int, row: int, what: str = "") -> np.random.Generator:
    """Return the generator of one row, the same whatever rows it is run with.

    what: names the draw, so that two selectors do not make the same one and agree, or disagree, by that alone.
    """
    return np.random.default_rng([seed, row, *what.encode()])


def drop_prefix(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the entries whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
