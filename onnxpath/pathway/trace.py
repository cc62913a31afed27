"""One explanation from end to end: score, select, run the masked network, read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.backward.target import TARGET
from onnxpath.errors import InputError, ModelError
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.finite import check_finite, check_masked_finite
from onnxpath.pathway.pathway import LayerCount, Pathway, read_logits
from onnxpath.pathway.programs import GRAD, LOGITS, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.select_on_device import select_on_device
from onnxpath.pathway.selectors import SELECTORS, Scores
from onnxpath.pathway.selectors.registry import Selector, drop_prefix, options_of
from onnxpath.pathway.sparsity import check_sparsity, limit_of, no_sparsity, search, softmax_of
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, is_on_device
from onnxpath.runtime.targets import Target


@dataclass
class Trace:
    """Pathways of some rows, with the logits of both networks and, where asked for, the pathway gradients.

    fed: what the masked network was fed, a fixed batch filled up: inputs, target and masks.
    """

    rows: slice
    pathways: list[Pathway]
    logits: Array
    masked_logits: Array
    gradients: dict[str, Array]
    fed: dict[str, Any]


@dataclass(frozen=True)
class _Run:
    """Some rows after scoring: what they were fed, and the target fixed to the unmasked network's classes."""

    rows: slice
    feeds: Mapping[str, Array]
    scores: Scores
    target: Target

    @property
    def count(self) -> int:
        """Rows that were asked for; a fixed batch has more."""
        return int(self.rows.stop - self.rows.start)


def trace(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    with_gradient: bool = False,
    activity: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Trace]:
    """Yield the traces of all rows, one run at a time.

    sparsity: fraction pruned, or a rule ("softmax-change<=0.15"), for which one sparsity is searched for all rows,
    whose scores are held meanwhile; with_gradient: also the gradient of the target in the masked network; activity:
    also which neurons are inactive (dead fraction and base sparsity). The masked network is asked about the class of
    the unmasked one. Raises UnknownName, ModelError (no neuron layer), InputError (NaN or Inf in an activation).
    """
    score = SELECTORS.get(selector)
    options = dict(options or {})
    check_sparsity(sparsity, scope, selector)
    setup = Setup.of(model, target)
    check_layers(setup.layers)
    options_of(selector).check(options)
    runs = _score(setup, feeds, target, score, activity, options)
    asked = {**options, **model.named_settings}
    if isinstance(sparsity, str):
        held = list(runs)
        asked["sparsity"], sparsity = sparsity, _searched(setup, held, sparsity, selector, scope)
        runs = iter(held)
    for run in runs:
        masks, fed = _cut(setup, run, sparsity, scope)
        everything = {**run.feeds, **run.target.feed(slice(None)), **fed}
        values = setup.masked(with_gradient).run(everything)
        check_masked_finite(values.values())
        said = sparsity if run.scores.takes_sparsity else None
        pathways = [
            _pathway(setup, row, run.target, run.scores, masks, values[LOGITS], selector, said, scope, asked)
            for row in range(run.count)
        ]
        gradients = {k: v[: run.count] for k, v in drop_prefix(values, GRAD).items()}
        logits, masked = run.scores.logits[: run.count], values[LOGITS][: run.count]
        yield Trace(run.rows, pathways, logits, masked, gradients, everything)


def _score(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Target,
    score: Selector,
    activity: bool,
    options: Mapping[str, Any],
) -> Iterator[_Run]:
    for part, rows in setup.model.batches(feeds):
        given = target.feed(rows, rows_of(part))
        scores = score(setup, part, given, rows, activity, **options)
        yield _Run(rows, part, scores, Target(target.readout, target.kind, given[target.kind]).fixed(scores.logits))


def _searched(setup: Setup, runs: Sequence[_Run], rule: str, selector: str, scope: str) -> float:
    """Return the largest sparsity, the same for all rows, that a rule allows."""
    if not all(run.scores.takes_sparsity for run in runs):
        raise no_sparsity(selector)
    if any(run.target.kind != TARGET or run.scores.logits[0].size < 2 for run in runs):
        raise InputError(f"'{rule}' asks for the softmax of a target, and the output or the target has none")

    def change(sparsity: float) -> float:
        found = []
        for run in runs:
            _, fed = _cut(setup, run, sparsity, scope, again=True)
            masked = setup.masked(False).run({**run.feeds, **fed}, [LOGITS])[LOGITS]
            chosen = run.target.chosen(run.scores.logits)
            whole, left = softmax_of(run.scores.logits, chosen), softmax_of(masked, chosen)
            found.append((np.abs(left - whole) / whole)[: run.count])
        return float(np.concatenate(found).mean())

    return search(change, limit_of(rule))


def check_layers(layers: Sequence[NeuronLayer]) -> None:
    """Raise ModelError where there is no neuron layer."""
    if not layers:
        raise ModelError(
            "the model has no neuron layer: no activation function lies between its inputs and its output; "
            "pathways need one (`onnxpath inspect MODEL` lists them)"
        )


def _cut(
    setup: Setup, run: _Run, sparsity: float, scope: str, again: bool = False
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return layer -> bool masks, and the masks to feed; where the scores are on a device, the latter stay there.

    again: the scores are still needed afterwards.
    """
    scores = run.scores
    if scores.masks is None and all(is_on_device(score) for score in scores.signed.values()):
        masks, fed, largest = select_on_device(setup, scores.signed, sparsity, scope)
        check_finite(setup.model, run.target, run.feeds, [scores.logits, largest])
        return masks, fed
    check_finite(setup.model, run.target, run.feeds, [scores.logits, *scores.signed.values()])
    masks = select(scores.magnitudes(), sparsity, scope) if scores.masks is None else scores.masks(sparsity, scope)
    return masks, {mask_name(layer): _fed_mask(setup, layer, scores, masks, again) for layer in setup.layers}


def _fed_mask(setup: Setup, layer: NeuronLayer, scores: Scores, masks: Mapping[str, Array], again: bool) -> Array:
    """Return a layer's mask in the dtype that is fed, in the memory of its scores where these are needed no more."""
    mask, dtype = masks[layer.name], setup.dtypes[layer.name]
    memory: Array = scores.signed[layer.name]
    if again or memory.dtype != dtype or not memory.flags.writeable:
        return mask.astype(dtype)
    # New memory for the neurons of a whole batch costs more than the conversion.
    np.copyto(memory, mask)
    return memory


def _pathway(
    setup: Setup,
    row: int,
    target: Target,
    scores: Scores,
    masks: Mapping[str, Array],
    masked_logits: Array,
    selector: str,
    sparsity: float | None,
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
