"""How much each layer's neurons contribute to the target: their scores summed up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.pathway.finite import check_finite
from onnxpath.pathway.programs import SCORE, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.pathway.trace import check_layers
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


def layer_contributions(model: Model, feeds: Mapping[str, Array], target: Target) -> dict[str, Array]:
    """Return layer -> sum over its neurons of |activation · gradient of the target|, float64 [N], layers in order.

    feeds: checked inputs of N rows. Raises ModelError (no neuron layer), InputError (NaN or Inf).
    """
    setup = Setup.of(model, target)
    check_layers(setup.layers)
    program = setup.contributions(activity=False)
    parts: dict[str, list[Array]] = {layer.name: [] for layer in setup.layers}
    for part, rows in model.batches(feeds):
        count = rows.stop - rows.start
        values = program.run({**part, **target.feed(rows, rows_of(part))})
        check_finite(model, target, part, values.values())
        for name, scores in drop_prefix(values, SCORE).items():
            parts[name].append(np.abs(scores[:count], dtype=np.float64).reshape(count, -1).sum(1))
    return {name: np.concatenate(sums) for name, sums in parts.items()}
