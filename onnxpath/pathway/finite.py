"""NaN and Inf in results: say where they began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from onnxpath.errors import InputError
from onnxpath.pathway.programs import ACTIVATION, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


def check_finite(model: Model, target: Target, feeds: Mapping[str, Array], results: Iterable[Array]) -> None:
    """Raise InputError that names the first layer whose activations hold NaN or Inf, where a result does.

    results: what a program of this model gave for these feeds.
    """
    if all(np.isfinite(values).all() for values in results):
        return
    for name, a in drop_prefix(Setup.of(model, target).activations().run(feeds), ACTIVATION).items():
        if not np.isfinite(a).all():
            raise InputError(f"layer '{name}' is the first whose activations hold NaN or Inf; check the preprocessing")
    raise InputError("the output or its gradient holds NaN or Inf though all activations are finite; check the model")


def check_masked_finite(results: Iterable[Array]) -> None:
    """Raise InputError where the masked network answers with NaN or Inf though the whole one does not."""
    if not all(np.isfinite(values).all() for values in results):
        raise InputError(
            "the network masked to its pathway gives NaN or Inf, though the whole one does not: "
            "it cannot be asked with so few neurons; choose a lower sparsity"
        )
