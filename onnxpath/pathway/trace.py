"""One explanation from end to end: score, select, run the masked network, read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from onnxpath.backward.target import TARGET
from onnxpath.errors import InputError, ModelError
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.pathway.channels import Ranked, channel_sums, top_channels
from onnxpath.pathway.finite import check_finite, check_masked_finite
from onnxpath.pathway.pathway import LayerCount, Pathway, Readings, read_logits
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
    also which neurons are inactive (dead fraction and base sparsity), and the top channels of each layer. The masked
    network is asked about the class of the unmasked one. Raises UnknownName, ModelError (no neuron layer), InputError
    (NaN or Inf in an activation).
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
        cut = _cut(setup, run, sparsity, scope, ranked=activity)
        everything = {**run.feeds, **run.target.feed(slice(None)), **cut.fed}
        values = setup.masked(with_gradient).run(everything)
        check_masked_finite(values.values())
        said = sparsity if run.scores.takes_sparsity else None
        pathways = [
            _pathway(setup, row, run.scores, cut, read, selector, said, scope, asked)
            for row, read in enumerate(_read(run, values[LOGITS]))
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
            fed = _cut(setup, run, sparsity, scope, again=True).fed
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
            "the model has no neuron layer: no activation function lies between its inputs and its output "
            "(`onnxpath inspect MODEL` lists them); pathways need one, "
            "and methods such as gradient or feature-ablation do not"
        )


@dataclass(frozen=True)
class _Cut:
    """masks: layer -> bool; fed: mask input -> mask, on a device where the scores are; tops: layer -> the top channels
    of each row, empty where not asked for.
    """

    masks: Mapping[str, Array]
    fed: Mapping[str, Any]
    tops: Mapping[str, list[Ranked]]


def _cut(setup: Setup, run: _Run, sparsity: float, scope: str, again: bool = False, ranked: bool = False) -> _Cut:
    """Cut the scores of a run. again: they are still needed afterwards; ranked: the channels are, too."""
    scores, layers = run.scores, setup.layers
    if scores.masks is None and all(is_on_device(score) for score in scores.signed.values()):
        cut = select_on_device(setup, scores.signed, sparsity, scope, ranked)
        check_finite(setup.model, run.target, run.feeds, [scores.logits, cut.largest])
        return _Cut(cut.masks, cut.fed, top_channels(cut.sums))
    check_finite(setup.model, run.target, run.feeds, [scores.logits, *scores.signed.values()])
    if scores.masks is None:
        sizes = scores.magnitudes()
        masks = select(sizes, sparsity, scope)
    else:
        sizes = {name: np.abs(score) for name, score in scores.signed.items()} if ranked else {}
        masks = scores.masks(sparsity, scope)
    tops = top_channels({n.name: channel_sums(n, sizes[n.name], masks[n.name]) for n in layers if ranked})
    return _Cut(masks, {mask_name(n): _fed_mask(setup, n, scores, masks, again) for n in layers}, tops)


def _fed_mask(setup: Setup, layer: NeuronLayer, scores: Scores, masks: Mapping[str, Array], again: bool) -> Array:
    """Return a layer's mask in the dtype that is fed, in the memory of its scores where these are needed no more."""
    mask, dtype = masks[layer.name], setup.dtypes[layer.name]
    memory: Array = scores.signed[layer.name]
    if again or memory.dtype != dtype or not memory.flags.writeable:
        return mask.astype(dtype)
    # New memory for the neurons of a whole batch costs more than the conversion.
    np.copyto(memory, mask)
    return memory


_Read: TypeAlias = tuple[int, Readings, Readings]
"""The explained entry of a row, and what both networks say."""


def _read(run: _Run, masked: Array) -> list[_Read]:
    """Return what is read of the rows that were asked for; masked: logits of the masked network."""
    whole = run.scores.logits
    chosen = [int(entry) for entry in run.target.chosen(whole)]
    rows = zip(chosen, whole, run.target.score(whole), masked, run.target.score(masked), strict=True)
    found = [(n, read_logits(a, n, float(one)), read_logits(b, n, float(other))) for n, a, one, b, other in rows]
    return found[: run.count]


def _pathway(
    setup: Setup,
    row: int,
    scores: Scores,
    cut: _Cut,
    read: _Read,
    selector: str,
    sparsity: float | None,
    scope: str,
    options: Mapping[str, Any],
) -> Pathway:
    own = {layer.name: cut.masks[layer.name][row] for layer in setup.layers}
    counts = tuple(_counted(row, name, mask, scores.inactive or {}, cut.tops) for name, mask in own.items())
    defined = [count for count in counts if count.dead is not None]
    target, original, masked = read
    return Pathway(
        masks=own,
        selector=selector,
        scope=scope,
        sparsity=sparsity,
        target=target,
        original=original,
        masked=masked,
        layers=counts,
        base_sparsity=_fraction([c.neurons - (c.active or 0) for c in defined], [c.neurons for c in defined]),
        dead_fraction=_fraction([c.dead or 0 for c in defined], [c.kept for c in defined]),
        options=options,
    )


def _counted(
    row: int, name: str, mask: Array, inactive: Mapping[str, Array], tops: Mapping[str, list[Ranked]]
) -> LayerCount:
    top = tops[name][row] if tops else ((), ())
    kept = int(np.count_nonzero(mask))
    if name not in inactive:
        return LayerCount(name, mask.size, kept, None, None, *top)
    off = inactive[name][row]
    dead = int(np.count_nonzero(mask & off))
    return LayerCount(name, mask.size, kept, mask.size - int(np.count_nonzero(off)), dead, *top)


def _fraction(part: Sequence[int], of: Sequence[int]) -> float | None:
    return sum(part) / sum(of) if sum(of) else None
