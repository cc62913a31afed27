"""Explain many inputs: read, run every method on a batch, give back one result per input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxpath.attribution.attribute import attribute
from onnxpath.attribution.attribution import Attribution
from onnxpath.attribution.methods import METHODS
from onnxpath.batch.ahead import in_order
from onnxpath.batch.fit import wanted_inputs
from onnxpath.batch.inputs import InputItem, Loaded, read_input, read_item
from onnxpath.batch.loaded import row_shape
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.selection import pathway_options
from onnxpath.errors import InputError, all_of
from onnxpath.graph.ir import Tensor, is_variable
from onnxpath.graph.surgery import expose
from onnxpath.options import read_pairs
from onnxpath.pathway.pathway import Pathway
from onnxpath.rules.relevance.composite_file import composite_of
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model

READERS = 4
"""Threads that read and decode inputs beside the session."""


@dataclass(frozen=True)
class Explained:
    """One input with its results.

    loaded: the model input and the picture; logits: the model's output row; target: the explained entry; maps: method
    -> map of the input's shape; deltas: method -> convergence delta where it has one; pathway: of the pathway method,
    None without one; seconds: this input's share of its batch; searched: method -> sparsity that a rule led to;
    notes: what the methods say of the batch, such as the layer that was chosen.
    """

    item: InputItem
    loaded: Loaded
    logits: NDArray[Any]
    target: int
    maps: Mapping[str, NDArray[Any]]
    deltas: Mapping[str, float]
    pathway: Pathway | None
    seconds: float
    searched: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Failed:
    """One input that could not be explained, and why."""

    item: InputItem
    error: str


def method_options(
    methods: Sequence[str],
    selector: str,
    sparsity: float | str,
    scope: str,
    steps: int | None,
    seed: int,
    composite: str | None = None,
    more: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Check what a user set and return each method's options: those of the settings that it knows.

    steps, composite: of methods that have n_steps or a composite, None for theirs; more: options of the methods,
    NAME=VALUE each. Raises UnknownName, InputError, all problems at once.
    """
    extra, _, _, *chosen = all_of(
        lambda: pathway_options(selector, sparsity, scope, seed),
        lambda: _check_named(methods),
        lambda: composite_of(composite).require_parameters() if composite is not None else None,
        *(partial(METHODS.get, name) for name in methods if ":" not in name),
    )
    settings = dict(zip(methods, read_pairs([method.options for method in chosen], more), strict=True))
    if composite is not None and not any("composite" in method.defaults for method in chosen):
        raise InputError(f"a composite was chosen, '{composite}', and no method that has one; add --method lrp")
    given = {"selector": selector, "sparsity": sparsity, "scope": scope, "activity": True, "seed": seed}
    given |= {k: v for k, v in (("n_steps", steps), ("composite", composite)) if v is not None}
    table = {}
    for method in chosen:
        known = method.defaults
        table[method.name] = {k: v for k, v in given.items() if k in known} | (extra if "selector" in known else {})
        table[method.name] |= settings[method.name]
    all_of(*(partial(method.checked, table[method.name]) for method in chosen))
    return table


def _check_named(methods: Sequence[str]) -> None:
    if not methods:
        raise InputError("name at least one attribution method: `onnxpath list methods`")
    if wrong := [name for name in methods if ":" in name]:
        raise InputError(f"method '{wrong[0]}': options of a method are given beside it, --option NAME=VALUE")


def read_inputs(
    model: Model, items: Sequence[InputItem], preprocess: Preprocess
) -> Iterator[tuple[InputItem, Loaded] | Failed]:
    """Yield each input as the model wants it, or a Failed, in order; files are read and decoded ahead in threads."""
    wanted = wanted_inputs(model)
    info = wanted.main

    def read(item: InputItem) -> tuple[InputItem, Loaded] | Failed:
        try:
            return read_input(item, preprocess, wanted) or (
                item,
                read_item(item, preprocess, row_shape(info), np.dtype(info.dtype), input_name=info.name),
            )
        except InputError as error:
            return Failed(item, str(error))

    # A tokenizer is set up anew for each text, so that two threads cannot share it.
    return in_order(read, items, READERS if wanted.ids is None else 1, _bytes)


def _bytes(read: tuple[InputItem, Loaded] | Failed) -> int:
    if isinstance(read, Failed):
        return 0
    loaded = read[1]
    shown = 0 if loaded.shown is None else loaded.shown.nbytes
    return loaded.array.nbytes + shown + sum(other.nbytes for other in loaded.others.values())


Batch: TypeAlias = list[tuple[InputItem, Loaded]]
Result = TypeVar("Result")


def stacked(model: Model, batch: Batch) -> dict[str, NDArray[Any]]:
    """Return the inputs of a batch by name, [N, ...]."""
    name = wanted_inputs(model).main.name
    rows = [{name: loaded.array, **loaded.others} for _, loaded in batch]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _runs_with(read: tuple[InputItem, Loaded]) -> tuple[Any, ...]:
    """What inputs of one batch have in common: shapes, and whether they have a target of their own."""
    item, loaded = read
    return item.target is None, loaded.array.shape, *(loaded.others[name].shape for name in sorted(loaded.others))


def in_batches(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    run: Callable[[Batch], Sequence[Result]],
    unit: int | None = None,
) -> Iterator[Result | Failed]:
    """Yield the result of each input, in order; one that cannot be read or run is a Failed and stops nothing.

    run: takes inputs of one shape, as many as the memory budget allows, and returns a result for each; unit: every so
    many inputs a new batch begins, whatever came before, so that results do not depend on where a run began.
    """
    batch: Batch = []
    size = 1
    for index, read in enumerate(read_inputs(model, items, preprocess)):
        if unit and index % unit == 0:
            yield from _attempt(batch, run)
            batch = []
        if isinstance(read, Failed):
            yield from _attempt(batch, run)
            batch = []
            yield read
            continue
        if batch and _runs_with(read) != _runs_with(batch[0]):
            yield from _attempt(batch, run)
            batch = []
        if not batch:
            size = model.rows_per_run(stacked(model, [read]))
        batch.append(read)
        if len(batch) == size:
            yield from _attempt(batch, run)
            batch = []
    yield from _attempt(batch, run)


def _attempt(batch: Batch, run: Callable[[Batch], Sequence[Result]]) -> Iterator[Result | Failed]:
    if not batch:
        return
    try:
        results = run(batch)
    except InputError as error:
        # One row's NaN must not take its neighbours with it.
        if len(batch) == 1:
            yield Failed(batch[0][0], f"{batch[0][0].name}: {error}")
        else:
            for pair in batch:
                yield from _attempt([pair], run)
        return
    yield from results


def explain_items(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    methods: Mapping[str, Mapping[str, Any]],
    target: int | None = None,
    output: str | None = None,
    unit: int | None = None,
) -> Iterator[Explained | Failed]:
    """Yield the attribution maps of each input, in order, or a Failed.

    methods: attribution method -> its options, of which a rule for the sparsity is searched on the first inputs that
    run together, and serves all; target: explained entry of inputs that bring none, default each
    input's largest; unit: see `in_batches`.
    """
    asked = {name: dict(options) for name, options in methods.items()}
    ruled = [name for name, options in methods.items() if isinstance(options.get("sparsity"), str)]

    def run(batch: Batch) -> list[Explained]:
        x = stacked(model, batch)
        goal = targets(batch, target)
        began = time.perf_counter()
        results = {name: attribute(model, x, goal, name, output, **options) for name, options in asked.items()}
        for name in ruled:
            if found := results[name].pathways:
                asked[name]["sparsity"] = found[0].sparsity
        searched = {name: s for name in ruled if not isinstance(s := asked[name]["sparsity"], str)}
        seconds = (time.perf_counter() - began) / len(batch)
        return [_explained(item, loaded, row, results, seconds, searched) for row, (item, loaded) in enumerate(batch)]

    return in_batches(model, items, preprocess, run, unit)


def targets(batch: Batch, target: int | None) -> Any:
    """Return what is explained of a batch: the targets that the inputs bring, else the one that was asked for."""
    given = [item.target for item, _ in batch if item.target is not None]
    return given if len(given) == len(batch) else target


def activation_items(
    model: Model, items: Sequence[InputItem], preprocess: Preprocess, tensors: Sequence[str]
) -> Iterator[tuple[InputItem, dict[str, NDArray[Any]]] | Failed]:
    """Yield the values of the named tensors for each input, in order, or a Failed.

    A tensor with a row axis comes without it. Inputs are run one at a time, so that a tensor without one is this
    input's too. Raises UnknownName.
    """
    names = list(tensors)
    program = model.session(("expose", *names), lambda: expose(model, names))
    known = {name: model.graph.tensor(name) for name in names}

    def run(batch: Batch) -> list[tuple[InputItem, dict[str, NDArray[Any]]]]:
        return [(pair[0], values(pair)) for pair in batch]

    def values(pair: tuple[InputItem, Loaded]) -> dict[str, NDArray[Any]]:
        ((part, _),) = model.batches(model.feeds(stacked(model, [pair])))
        found = program.run(part, names)
        rows = rows_of(part)
        return {n: a[0] if _has_rows(known[n], a, rows, model.fixed_rows is not None) else a for n, a in found.items()}

    return in_batches(model, items, preprocess, run)


def _has_rows(tensor: Tensor, array: NDArray[Any], rows: int, fixed: bool) -> bool:
    if not is_variable(tensor) or array.ndim == 0 or len(array) != rows:
        return False
    return fixed or not (tensor.shape and isinstance(tensor.shape[0], int))


def _explained(
    item: InputItem,
    loaded: Loaded,
    row: int,
    results: Mapping[str, Attribution],
    seconds: float,
    searched: Mapping[str, float],
) -> Explained:
    first = next(iter(results.values()))
    return Explained(
        item=item,
        loaded=loaded,
        logits=first.logits[row],
        target=int(first.target[row]),
        maps={name: next(iter(result.maps.values()))[row] for name, result in results.items()},
        deltas={name: float(result.delta[row]) for name, result in results.items() if result.delta is not None},
        pathway=next((r.pathways[row] for r in results.values() if r.pathways is not None), None),
        seconds=seconds,
        searched=searched,
        notes=list(dict.fromkeys(note for result in results.values() for note in result.notes)),
    )
