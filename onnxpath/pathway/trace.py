"""One explanation from end to end: score, select, run the masked network, read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.finite import check_finite, check_masked_finite
from onnxpath.pathway.pathway import LayerCount, Pathway, read_logits
from onnxpath.pathway.programs import GRAD, LOGITS, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.select_on_device import select_on_device
from onnxpath.pathway.selectors import SELECTORS, Scores
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.runtime.model import Model, rows_of
from onnxpath.runtime.session import Array, is_on_device
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
    Raises UnknownName, ModelError (no neuron layer), InputError (NaN or Inf in an activation).
    """
    score = SELECTORS.get(selector)
    options = dict(options or {})
    setup = Setup.of(model, target)
    check_layers(setup.layers)
    _check_options(selector, score, options)
    named = {**options, **model.named_rules}
    for part, rows in model.batches(feeds):
        count = rows.stop - rows.start
        runs = rows_of(part)
        scores = score(setup, part, target.feed(rows, runs), rows, activity, **options)
        fixed = Target(target.readout, target.kind, target.feed(rows, runs)[target.kind]).fixed(scores.logits)
        masks, fed = _cut(setup, target, part, scores, sparsity, scope)
        values = setup.masked(with_gradient).run({**part, **fixed.feed(slice(None)), **fed})
        check_masked_finite(values.values())
        pathways = [
            _pathway(setup, row, fixed, scores, masks, values[LOGITS], selector, sparsity, scope, named)
            for row in range(count)
        ]
        gradients = {k: v[:count] for k, v in drop_prefix(values, GRAD).items()}
        yield Trace(rows, pathways, scores.logits[:count], values[LOGITS][:count], gradients)


def check_layers(layers: Sequence[NeuronLayer]) -> None:
    """Raise ModelError where there is no neuron layer."""
    if not layers:
        raise ModelError(
            "the model has no neuron layer: no activation function lies between its inputs and its output; "
            "pathways need one (`onnxpath inspect MODEL` lists them)"
        )


def _cut(
    setup: Setup, target: Target, feeds: Mapping[str, Array], scores: Scores, sparsity: float, scope: str
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return layer -> bool masks, and the masks to feed; where the scores are on a device, the latter stay there."""
    if all(is_on_device(score) for score in scores.signed.values()):
        masks, fed, largest = select_on_device(setup, scores.signed, sparsity, scope)
        check_finite(setup.model, target, feeds, [scores.logits, largest])
        return masks, fed
    check_finite(setup.model, target, feeds, [scores.logits, *scores.signed.values()])
    masks = select(scores.magnitudes(), sparsity, scope)
    return masks, {mask_name(layer): _fed_mask(setup, layer, scores, masks) for layer in setup.layers}


def _fed_mask(setup: Setup, layer: NeuronLayer, scores: Scores, masks: Mapping[str, Array]) -> Array:
    """Return a layer's mask in the dtype that is fed, in the memory of its scores, which are not needed any more."""
    mask, dtype = masks[layer.name], setup.dtypes[layer.name]
    memory: Array = scores.signed[layer.name]
    if memory.dtype != dtype:
        return mask.astype(dtype)
    # New memory for the neurons of a whole batch costs more than the conversion.
    np.copyto(memory, mask)
    return memory


def _check_options(name: str, score: Any, options: Mapping[str, Any]) -> None:
    known = [n for n in (getattr(score, "__kwdefaults__", None) or {})]
    if wrong := [n for n in options if n not in known]:
        raise unknown(f"option of selector '{name}'", wrong, known)


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
            int(np.count_nonzero(mask & inactive[name])) if name in inactive else None,
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
