"""Explain many inputs: read, run every method on a batch, give back one result per input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnxpath.attribution.attribute import attribute, default_options
from onnxpath.attribution.attribution import Attribution
from onnxpath.attribution.methods import METHODS
from onnxpath.batch.inputs import InputItem, Loaded, read_item
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError
from onnxpath.pathway.critical import critical_pathway
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.selectors import SELECTORS
from onnxpath.runtime.model import Model, TensorInfo


@dataclass(frozen=True)
class Explained:
    """One input with its results.

    loaded: the model input and the picture; logits: the model's output row; target: the explained entry; maps: method
    -> map of the input's shape; deltas: method -> convergence delta where it has one; pathway: of the pathway method,
    None without one; seconds: this input's share of its batch.
    """

    item: InputItem
    loaded: Loaded
    logits: NDArray[Any]
    target: int
    maps: Mapping[str, NDArray[Any]]
    deltas: Mapping[str, float]
    pathway: Pathway | None
    seconds: float


@dataclass(frozen=True)
class Failed:
    """One input that could not be explained, and why."""

    item: InputItem
    error: str


def single_input(model: Model) -> TensorInfo:
    """Return the one input that pictures and arrays are fed to; InputError for a model with several."""
    if len(model.inputs) != 1:
        names = ", ".join(i.name for i in model.inputs)
        raise InputError(
            f"files are fed to models with one input, and this one has {len(model.inputs)}: {names}; "
            "use onnxpath.attribute with a dict of arrays"
        )
    return model.inputs[0]


def selector_options(selector: str, seed: int) -> dict[str, Any]:
    """Return the options of a selector: the seed, where it draws. UnknownName for an unknown selector."""
    return {"seed": seed} if "seed" in (getattr(SELECTORS.get(selector), "__kwdefaults__", None) or {}) else {}


def method_options(
    methods: Sequence[str],
    selector: str,
    sparsity: float,
    scope: str,
    steps: int,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return each method's options from what a user set; a method takes those that it knows, `extra` the selector."""
    SELECTORS.get(selector)
    check_cut(sparsity, scope)
    given = {"selector": selector, "sparsity": sparsity, "scope": scope, "n_steps": steps, "activity": True}
    table = {}
    for name in methods:
        known = default_options(METHODS.get(name))
        table[name] = {k: v for k, v in given.items() if k in known}
        if "selector" in known:
            table[name] |= extra or {}
    return table


def read_inputs(
    model: Model, items: Sequence[InputItem], preprocess: Preprocess
) -> Iterator[tuple[InputItem, Loaded] | Failed]:
    """Yield each input as the model wants it, or a Failed."""
    info = single_input(model)
    shape = [d if isinstance(d, int) else None for d in info.shape[1:]]
    for item in items:
        try:
            yield item, read_item(item, preprocess, shape, np.dtype(info.dtype), input_name=info.name)
        except InputError as error:
            yield Failed(item, str(error))


Batch: TypeAlias = list[tuple[InputItem, Loaded]]
Result = TypeVar("Result")


def in_batches(
    model: Model, items: Sequence[InputItem], preprocess: Preprocess, run: Callable[[Batch], Sequence[Result]]
) -> Iterator[Result | Failed]:
    """Yield the result of each input, in order; one that cannot be read or run is a Failed and stops nothing.

    run: takes inputs of one shape, as many as the memory budget allows, and returns a result for each.
    """
    name = single_input(model).name
    batch: Batch = []
    size = 1
    for read in read_inputs(model, items, preprocess):
        if isinstance(read, Failed):
            yield from _attempt(batch, run)
            batch = []
            yield read
            continue
        if batch and read[1].array.shape != batch[0][1].array.shape:
            yield from _attempt(batch, run)
            batch = []
        if not batch:
            size = model.rows_per_run({name: read[1].array[None]})
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
) -> Iterator[Explained | Failed]:
    """Yield the attribution maps of each input, in order, or a Failed.

    methods: attribution method -> its options; target: explained entry, default each input's largest.
    """

    def run(batch: Batch) -> list[Explained]:
        x = np.stack([loaded.array for _, loaded in batch])
        began = time.perf_counter()
        results = {name: attribute(model, x, target, name, output, **options) for name, options in methods.items()}
        seconds = (time.perf_counter() - began) / len(batch)
        return [_explained(item, loaded, row, results, seconds) for row, (item, loaded) in enumerate(batch)]

    return in_batches(model, items, preprocess, run)


def pathway_items(
    model: Model,
    items: Sequence[InputItem],
    preprocess: Preprocess,
    selector: str,
    sparsity: float,
    scope: str,
    options: Mapping[str, Any],
    target: int | None = None,
    output: str | None = None,
) -> Iterator[tuple[InputItem, Pathway] | Failed]:
    """Yield the critical pathway of each input, in order, or a Failed."""
    SELECTORS.get(selector)
    check_cut(sparsity, scope)

    def run(batch: Batch) -> list[tuple[InputItem, Pathway]]:
        x = np.stack([loaded.array for _, loaded in batch])
        found = critical_pathway(model, x, target, selector, sparsity, scope, output, **options)
        return [(item, pathway) for (item, _), pathway in zip(batch, found, strict=True)]

    return in_batches(model, items, preprocess, run)


def _explained(
    item: InputItem, loaded: Loaded, row: int, results: Mapping[str, Attribution], seconds: float
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
    )
