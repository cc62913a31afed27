"""Two models on the same inputs: predictions, pathways, maps, and the first layer where they part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.attribution.attribute import attribute
from onnxpath.backward.target import TARGET
from onnxpath.batch.comparable import check_outputs, fitting, match_inputs
from onnxpath.batch.comparison import Compared, Comparison, LayerPair, compared
from onnxpath.batch.explain import Batch, Failed, in_batches, method_options, stacked, targets
from onnxpath.batch.fit import check_attribution, check_pathway
from onnxpath.batch.inputs import InputItem, Loaded, label_of
from onnxpath.batch.likeness import relative_difference
from onnxpath.batch.matching import BY_NAME, linear_nodes, match_layers
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.selection import Selection
from onnxpath.errors import InputError, ModelError, all_of
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import ACTIVATION, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.registry import as_names
from onnxpath.runtime.feeds import of_rows, rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import resolve_target
from onnxpath.shown import plural

METHODS = ("pathway-gradient", "gradient")

THRESHOLD = 0.05
"""Relative difference of activations from which a layer counts as diverging: |a - b| / max(|a|, |b|) in L2."""


@dataclass(frozen=True)
class Settings:
    """How models are compared: methods with their options, how pathways are selected, and the rest of `compare`."""

    methods: Mapping[str, Mapping[str, Any]]
    selection: Selection
    threshold: float


def settings(
    methods: Sequence[str],
    selector: str,
    sparsity: Any,
    scope: str,
    threshold: float,
    steps: int | None = None,
    seed: int = 0,
    more: Sequence[str] = (),
) -> Settings:
    """Check what a user set; more: options of the methods, NAME=VALUE each.

    Raises UnknownName, InputError, all problems at once.
    """
    table, selection, _ = all_of(
        lambda: method_options(methods, selector, sparsity, scope, steps, seed, more=more),
        lambda: Selection.of(selector, sparsity, scope, seed),
        lambda: _check_threshold(threshold),
    )
    return Settings(table, selection, threshold)


def compare(
    one: Any,
    other: Any,
    x: Any,
    target: Any = None,
    methods: Sequence[str] = METHODS,
    selector: str = "neuron-mct",
    sparsity: Any = 0.9,
    scope: str = "global",
    output: str | None = None,
    threshold: float = THRESHOLD,
    rules: str | None = None,
    providers: str = "auto",
) -> Comparison:
    """Compare two models on the same rows.

    one, other: path, bytes, ModelProto or loaded Model, with inputs and outputs of the same sizes; x: [N, ...] array,
    list or dict of inputs by the first model's names; target: explained in both, an index, one per row, or tuples as in
    `attribute`, default what the first predicts; methods: of attribution; selector, sparsity, scope: of the pathways;
    output: explained, default the first float one of each; threshold: relative difference from which a layer counts as
    diverging; rules: default gradient, and what estimates a gradient for a model that needs it (quantised ones:
    straight-through), named in the notes.
    Raises InputError, ModelError, UnknownName, UnsupportedOperator.
    """
    chosen = settings(as_names(methods), selector, sparsity, scope, threshold)
    pair = Pair.of(fitting(one, providers, rules), fitting(other, providers, rules), chosen, target, output)
    feeds = pair.one.feeds(x)
    total = rows_of(feeds)
    goal = resolve_target(pair.one, target, total, output)
    if goal.kind != TARGET:
        raise InputError("models are compared on one entry of each row: give an index, not a cotangent")
    entries = None if target is None else goal.values.tolist()
    size = min(pair.one.rows_per_run(feeds), pair.other.rows_per_run(pair.feeds_of_other(feeds)))
    rows: list[Compared] = []
    settled: Pair | None = None
    for start in range(0, total, size):
        part = of_rows(feeds, slice(start, start + size))
        aim = None if entries is None else entries[start : start + size]
        names = [str(index) for index in range(start, min(start + size, total))]
        settled = settled or pair.settled(part, aim)
        rows += [row for row, _ in settled.rows(part, names, [None] * len(names), aim)]
    return pair.comparison(rows, "one", "other")


@dataclass(frozen=True)
class Pair:
    """Two loaded models that can be compared, and how.

    inputs: name in the first -> name in the other; layers: matched; left: layers of each without a partner.
    """

    one: Model
    other: Model
    settings: Settings
    output: str | None
    inputs: Mapping[str, str]
    layers: tuple[LayerPair, ...]
    left: tuple[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def of(cls, one: Model, other: Model, settings: Settings, target: Any = None, output: str | None = None) -> Pair:
        """Check that two models can be compared, and match their layers. Raises all that stops it at once."""
        # An index is checked here; one per row, once the rows are there.
        aim = target if isinstance(target, int) else None
        asked = [partial(_check_asked, model, settings, aim, output) for model in (one, other)]
        inputs, *_ = all_of(lambda: match_inputs(one, other), lambda: check_outputs(one, other, output), *asked)
        layers = [[(n.name, n.shape) for n in model.layers(output)] for model in (one, other)]
        found = match_layers(*layers)
        names = {name for name, _ in layers[0]}
        pairs = tuple(
            LayerPair(layers[0][i][0], layers[1][j][0], by, tuple(linear_nodes(one.graph, layers[0][i][0], names)))
            for i, j, by in found.pairs
        )
        return cls(one, other, settings, output, inputs, pairs, (found.left_one, found.left_other))

    def feeds_of_other(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return the same inputs under the other model's names, in its dtypes."""
        return self.other.feeds({self.inputs[name]: values for name, values in feeds.items()})

    def settled(self, feeds: Mapping[str, Array], target: Any = None) -> Pair:
        """Return the pair with a sparsity in place of a rule for it: what the first model finds on these rows."""
        how = self.settings
        if not isinstance(how.selection.sparsity, str):
            return self
        own: dict[str, Any] = {
            "sparsity": how.selection.pathways(self.one, dict(feeds), target, self.output)[0].sparsity
        }
        methods = {
            name: {**options, **own} if "sparsity" in options else options for name, options in how.methods.items()
        }
        return replace(self, settings=replace(how, methods=methods, selection=replace(how.selection, **own)))

    def rows(
        self, feeds: Mapping[str, Array], names: Sequence[str], labels: Sequence[int | None], target: Any = None
    ) -> list[tuple[Compared, dict[str, NDArray[Any]]]]:
        """Compare a batch: for each row the result, and logits and maps of both models as arrays by name."""
        first = _explained(self.one, dict(feeds), target, self)
        # Both are asked about one entry, by default what the first predicts.
        targets = [p.target for p in first.pathways]
        second = _explained(self.other, self.feeds_of_other(feeds), targets, self)
        return [self._row(index, names[index], labels[index], first, second) for index in range(len(names))]

    def _row(
        self, index: int, name: str, label: int | None, first: _Explained, second: _Explained
    ) -> tuple[Compared, dict[str, NDArray[Any]]]:
        maps = {m: (first.maps[m][index], second.maps[m][index]) for m in first.maps}
        logits = first.logits[index], second.logits[index]
        differences = tuple(
            relative_difference(first.activations[p.one][index], second.activations[p.other][index])
            for p in self.layers
        )
        pathways = first.pathways[index], second.pathways[index]
        targets = pathways[0].target, pathways[1].target
        row = compared(name, label, logits, targets, pathways, self.layers, maps, differences)
        arrays = {"logits_one": logits[0], "logits_other": logits[1]}
        for method, (a, b) in maps.items():
            arrays |= {f"map_{method}_one": a, f"map_{method}_other": b}
        return row, arrays

    def comparison(self, rows: Sequence[Compared], one: str, other: str) -> Comparison:
        """Return the comparison of all rows; one, other: what the models are called."""
        return Comparison(
            one, other, self.layers, *self.left, self.settings.threshold, tuple(rows), notes=self.notes(one, other)
        )

    def notes(self, one: str, other: str) -> list[str]:
        """Return what a reader should know about how the two were compared."""
        told = []
        for name, model in ((one, self.one), (other, self.other)):
            if model.named_rules:
                told.append(f"{name}: rules '{model.rules.name}': {model.rules.about}")
        if isinstance(self.settings.selection.sparsity, str):
            rule = self.settings.selection.sparsity
            told.append(f"sparsity by '{rule}': searched in {one} on the first inputs that run together, used for all")
        named = sum(p.by == BY_NAME for p in self.layers)
        ordered = len(self.layers) - named
        told.append(f"layers: {named} matched by name, {ordered} by order and shape")
        for name, left in zip((one, other), self.left, strict=True):
            if left:
                shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
                told.append(f"{name}: {len(left)} {plural('layer', len(left))} without a partner, left out: {shown}")
        return told


@dataclass(frozen=True)
class ComparedItem:
    """One input of a run: what was read, its comparison, and logits and maps of both models as arrays by name."""

    item: InputItem
    loaded: Loaded
    row: Compared
    arrays: Mapping[str, NDArray[Any]]


def compare_items(
    pair: Pair, items: Sequence[InputItem], preprocess: Preprocess, classes: Sequence[str], target: int | None = None
) -> Iterator[ComparedItem | Failed]:
    """Yield the comparison of each input, in order, or a Failed; classes: names by index, empty where unknown."""
    settled: list[Pair] = []

    def run(batch: Batch) -> list[ComparedItem]:
        feeds = pair.one.feeds(stacked(pair.one, batch))
        labels = [(label_of(item, classes or None) or (None, ""))[0] for item, _ in batch]
        goal = targets(batch, target)
        if not settled:
            settled.append(pair.settled(feeds, goal))
        rows = settled[0].rows(feeds, [item.name for item, _ in batch], labels, goal)
        return [
            ComparedItem(item, loaded, row, arrays) for (item, loaded), (row, arrays) in zip(batch, rows, strict=True)
        ]

    return in_batches(pair.one, items, preprocess, run)


@dataclass(frozen=True)
class _Explained:
    """One model on a batch: logits and maps by method [N, ...], a pathway per row, activations by layer [N, ...]."""

    logits: Array
    maps: Mapping[str, Array]
    pathways: list[Pathway]
    activations: Mapping[str, Array]


def _explained(model: Model, feeds: dict[str, Array], target: Any, pair: Pair) -> _Explained:
    how, rows = pair.settings, rows_of(feeds)
    results = {
        name: attribute(model, feeds, target, name, pair.output, **options) for name, options in how.methods.items()
    }
    pathways = next((r.pathways for r in results.values() if r.pathways is not None), None)
    if pathways is None:
        pathways = how.selection.pathways(model, feeds, target, pair.output)
    logits, activations = _activations(model, feeds, pair.output)
    maps = {name: np.concatenate([m.reshape(rows, -1) for m in r.maps.values()], 1) for name, r in results.items()}
    single = {n: next(iter(r.maps.values())) for n, r in results.items() if len(r.maps) == 1}
    return _Explained(logits, maps | single, pathways, activations)


def _activations(model: Model, feeds: Mapping[str, Array], output: str | None) -> tuple[Array, dict[str, Array]]:
    setup = Setup.of(model, resolve_target(model, None, rows_of(feeds), output))
    runs = [
        {name: values[: rows.stop - rows.start] for name, values in setup.activations().run(part).items()}
        for part, rows in model.batches(feeds)
    ]
    joined = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
    found = drop_prefix(joined, ACTIVATION)
    (logits,) = (values for name, values in joined.items() if not name.startswith(ACTIVATION))
    return logits, found


def _check_asked(model: Model, settings: Settings, target: int | None, output: str | None) -> None:
    """Raise what would stop the maps and pathways of every row."""
    if not model.layers(output):
        name = model.path.name if model.path else "in memory"
        raise ModelError(
            f"model '{name}' has no neuron layer, and two models are compared by their pathways too; make a "
            "report of each with methods that need none, such as gradient or feature-ablation, and compare the folders"
        )
    all_of(
        lambda: check_attribution(model, settings.methods, target, output),
        lambda: check_pathway(model, settings.selection.selector, target, output),
    )


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold <= 2:
        raise InputError(f"threshold is a relative difference, above 0 and 2 at most; {threshold} was given")
