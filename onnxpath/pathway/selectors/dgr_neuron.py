"""Distillation guided routing with a gate per neuron, as a baseline of the critical pathways."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from onnxpath.errors import unknown
from onnxpath.pathway.gates import Descent, optimise
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.selectors.activation_only import activation_only
from onnxpath.pathway.selectors.registry import Scores, rows_rng, selector
from onnxpath.runtime.session import Array


@selector("dgr-neuron")
def dgr_neuron(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Mapping[str, Array],
    rows: slice,
    activity: bool,
    *,
    init: str = "ones",
    n_steps: int = 1000,
    lr: float = 0.01,
    momentum: float = 0.9,
    penalty: float = 0.01,
    upper: float = 100.0,
    tries: int = 100,
    seed: int = 0,
) -> Scores:
    """Score each neuron by a gate of its own, optimised as in dgr (Khakzar et al., CVPR 2021, DGR(init)).

    init: gates begin at 1 ("ones") or at uniform draws from [0, 1) ("random", by seed and row); n_steps, lr, momentum,
    penalty, upper: of gradient descent; tries: where no step keeps the prediction, descent goes on with a tenth of the
    penalty and no velocity, this often at most. Gates of neurons that are off all move alike, so their scores tie.
    A target is not asked for. Raises InputError (the output is no list of classes).
    """
    descent = Descent(n_steps, lr, momentum, penalty, upper, tries)
    if init not in INITS:
        raise unknown("init", [init], INITS)
    scores = activation_only(setup, feeds, target, rows, activity)
    rngs = [rows_rng(seed, rows.start + row, "dgr-neuron") for row in range(len(scores.logits))]
    start = {name: INITS[init](a, rngs) for name, a in scores.signed.items()}
    found = optimise(setup, feeds, scores.logits, setup.layers, "neuron", start, descent, "dgr-neuron")
    return Scores(scores.logits, found.values, scores.inactive)


def _ones(a: Array, rngs: list[np.random.Generator]) -> Array:
    return np.ones(a.shape, np.promote_types(a.dtype, np.float32))


def _drawn(a: Array, rngs: list[np.random.Generator]) -> Array:
    return np.stack([rng.random(a.shape[1:]) for rng in rngs]).astype(np.promote_types(a.dtype, np.float32))


INITS: dict[str, Callable[[Array, list[np.random.Generator]], Array]] = {"ones": _ones, "random": _drawn}
