"""One explanation from end to end: score, select, run the masked network, read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.pathway.pathway import LayerCount, Pathway, read_logits
from onnxpath.pathway.programs import ACTIVATION, GRAD, LOGITS, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.selectors import SELECTORS, Scores
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@dataclass
class Trace:
    """Pathways of some rows, with the logits of both networks and, where asked for, the pathway gradients."""

    rows: slice
    pathways: list[Pathway]
    logits: Array
    masked_logits: Array
    gradients: dict[str, Array]


def trace(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    selector: str = "neuron-mct",
    sparsity: float = 0.9,
    scope: str = "global",
    with_gradient: bool = False,
    activity: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Trace]:
    """Yield the traces of all rows, one run at a time.

    with_gradient: also the gradient of the target in the masked network; activity: also which neurons are inactive
    (dead fraction and base sparsity). The masked network is asked about the class of the unmasked one.
    Raises UnknownName, InputError (no neuron layer; NaN or Inf in an activation).
    """
    score = SELECTORS.get(selector)
    options = dict(options or {})
    setup = Setup.of(model, target)
    if not setup.layers:
        raise InputError(
            "the model has no neuron layer: no activation function lies between its inputs and its output; "
            "pathways need one (`onnxpath inspect MODEL` lists them)"
        )
    _check_options(selector, score, options)
    for part, rows in model.batches(feeds):
        count = rows.stop - rows.start
        runs = max((len(v) for v in part.values() if v.ndim), default=1)
        scores = score(setup, part, target.feed(rows, runs), rows, activity, **options)
        _check_finite(setup, part, scores)
        fixed = Target(target.readout, target.kind, target.feed(rows, runs)[target.kind]).fixed(scores.logits)
        masks = select(scores.magnitudes(), sparsity, scope)
        program = setup.masked(with_gradient)
        fed = {mask_name(layer): masks[layer.name].astype(setup.dtypes[layer.name]) for layer in setup.layers}
        values = program.run({**part, **fixed.feed(slice(None)), **fed})
        pathways = [
            _pathway(setup, row, fixed, scores, masks, values[LOGITS], selector, sparsity, scope, options)
            for row in range(count)
        ]
        gradients = {k: v[:count] for k, v in drop_prefix(values, GRAD).items()}
        yield Trace(rows, pathways, scores.logits[:count], values[LOGITS][:count], gradients)


def _check_options(name: str, score: Any, options: Mapping[str, Any]) -> None:
    known = [n for n in (getattr(score, "__kwdefaults__", None) or {})]
    if wrong := [n for n in options if n not in known]:
        raise unknown(f"option of selector '{name}'", wrong, known)


def _check_finite(setup: Setup, feeds: Mapping[str, Array], scores: Scores) -> None:
    if np.isfinite(scores.logits).all() and all(np.isfinite(s).all() for s in scores.signed.values()):
        return
    for name, a in drop_prefix(setup.activations().run(feeds), ACTIVATION).items():
        if not np.isfinite(a).all():
            raise InputError(f"layer '{name}' is the first whose activations hold NaN or Inf; check the preprocessing")
    raise InputError("the output or its gradient holds NaN or Inf though all activations are finite; check the model")


def _pathway(
    setup: Setup,
    row: int,
    target: Target,
    scores: Scores,
    masks: Mapping[str, Array],
    masked_logits: Array,
    selector: str,
    sparsity: float,
    scope: str,
    options: Mapping[str, Any],
) -> Pathway:
    own = {layer.name: masks[layer.name][row] for layer in setup.layers}
    inactive = {name: v[row] for name, v in (scores.inactive or {}).items()}
    counts = tuple(
        LayerCount(
            name,
            mask.size,
            int(np.count_nonzero(mask)),
            mask.size - int(np.count_nonzero(inactive[name])) if name in inactive else None,
        )
        for name, mask in own.items()
    )
    chosen = int(target.chosen(scores.logits)[row])
    return Pathway(
        masks=own,
        selector=selector,
        scope=scope,
        sparsity=sparsity,
        target=chosen,
        original=read_logits(scores.logits[row], chosen, float(target.score(scores.logits)[row])),
        masked=read_logits(masked_logits[row], chosen, float(target.score(masked_logits)[row])),
        layers=counts,
        base_sparsity=_fraction({n: v.size for n, v in inactive.items()}, inactive),
        dead_fraction=_fraction({n: int(own[n].sum()) for n in inactive}, {n: v & own[n] for n, v in inactive.items()}),
        options=options,
    )


def _fraction(of: Mapping[str, int], part: Mapping[str, Array]) -> float | None:
    total = sum(of.values())
    return sum(int(np.count_nonzero(v)) for v in part.values()) / total if total else None
