"""The registry of analyses of finished pathways, and what they are given and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from onnxpath.errors import InputError
from onnxpath.pathway.pathway import Pathway
from onnxpath.registry import Registry
from onnxpath.runtime.session import Array
from onnxpath.shown import Shown

Found: TypeAlias = Mapping[str, Sequence[Pathway]]
"""Selector -> one pathway per input, the same inputs in the same order for every selector."""


class Result(Shown):
    """What an analysis returns: a dataclass of plain numbers."""

    def files(self) -> Mapping[str, Mapping[str, Array]]:
        """Return arrays that belong to the result and into files of their own: file name -> arrays by name."""
        return {}


Analysis: TypeAlias = Callable[[Found], Any]

ANALYSES: Registry[Analysis] = Registry("analysis")


def check_same(found: Found) -> None:
    """Raise InputError where there are no pathways, or where selectors have different inputs or layers."""
    if not found or not all(found.values()):
        raise InputError("an analysis needs pathways, and there are none; give at least one selector and one input")
    first = next(iter(found.values()))
    shapes = {name: mask.shape for name, mask in first[0].masks.items()}
    for selector, pathways in found.items():
        if len(pathways) != len(first):
            raise InputError(
                f"selector '{selector}' has pathways of {len(pathways)} inputs and the first one of {len(first)}; "
                "give the same inputs to all"
            )
        for row, pathway in enumerate(pathways):
            if {name: mask.shape for name, mask in pathway.masks.items()} != shapes:
                raise InputError(
                    f"pathway {row} of selector '{selector}' has other layers or sizes than the first pathway; "
                    "analyse pathways of one model and one input size"
                )


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of what is defined, None where nothing is."""
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def deviation(values: Sequence[float | None]) -> float | None:
    """Return the standard deviation of what is defined, None where nothing is."""
    known = [v for v in values if v is not None]
    return float(np.std(known)) if known else None


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole, None where the whole is nothing."""
    return part / whole if whole else None
