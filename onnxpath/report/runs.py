"""Two finished reports compared: what report.json and the raw arrays beside it say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.batch.comparison import Compared, Comparison, LayerPair, compared
from onnxpath.batch.matching import BY_NAME, match_layers
from onnxpath.errors import InputError, all_of
from onnxpath.pathway.pathway import Pathway
from onnxpath.report.build import maps as shown_maps
from onnxpath.report.data import Failure, Item, TensorFacts
from onnxpath.report.seen import seen
from onnxpath.report.stored import Run

SETTINGS = ("selector", "sparsity", "scope", "seed", "preprocess", "provider")
"""Settings of a run that change its results, told where two runs differ in them."""


def check_arguments(one: Path, other: Path, inputs: Sequence[Path]) -> None:
    """Raise InputError where what is to be compared is not two folders and nothing else."""
    if not (one.is_dir() and other.is_dir()):
        folder, file = (one, other) if one.is_dir() else (other, one)
        raise InputError(
            f"'{folder}' is a folder and '{file}' is not: name two models, or two folders that `onnxpath report` wrote"
        )
    if inputs:
        raise InputError("two finished reports are compared as they are: leave the inputs away, or name two models")


def compare_runs(one: Run, other: Run, threshold: float) -> Comparison:
    """Compare two finished reports on the inputs that both have, in the order of the first.

    Raises InputError: models that take or give different things, no common input, raw arrays that are missing.
    """
    common = [name for name in one.items if name in other.items]
    all_of(lambda: _check_models(one, other), lambda: _check_common(one, other, common))
    methods = [m for m in one.run.methods if m in other.run.methods]
    pairs: tuple[LayerPair, ...] = ()
    left: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    rows: list[Compared] = []
    for name in common:
        items = one.items[name], other.items[name]
        arrays = _arrays(one, items[0]), _arrays(other, items[1])
        pathways = _pathways((one, other), items)
        if pathways and not pairs:
            pairs, left = _match(pathways)
        if pathways:
            _check_layers(name, pathways, pairs)
        rows.append(_row(name, items, arrays, pathways, pairs, methods))
    return Comparison(
        one=one.folder.name,
        other=other.folder.name,
        pairs=pairs,
        left_one=left[0],
        left_other=left[1],
        threshold=threshold,
        inputs=tuple(rows),
        only_one=tuple(name for name in one.items if name not in other.items),
        only_other=tuple(name for name in other.items if name not in one.items),
        notes=_notes(one, other, rows, pairs, methods),
    )


def failures(one: Run, other: Run) -> list[Failure]:
    """Return the inputs that could not be explained in one run or the other, and what each says about them."""
    told = [{f.name: f.error for f in run.failures} for run in (one, other)]
    return [
        Failure(name, _told(*(errors.get(name) for errors in told))) for name in dict.fromkeys([*told[0], *told[1]])
    ]


def _told(first: str | None, second: str | None) -> str:
    if first == second:
        return f"in both: {first}"
    return "\n".join(f"in {side}: {text}" for side, text in (("A", first), ("B", second)) if text is not None)


def shown_items(one: Run, other: Run, rows: Sequence[Compared]) -> list[Item]:
    """Return inputs as a page shows them: maps of both runs, from their raw arrays, and a picture of either's page."""
    layout = one.run.preprocess.get("layout")
    axis = None if len(one.model.inputs[0].shape) != 4 else (2 if layout == "NHWC" else 0)
    names = [row.name for row in rows]
    pictures = seen(one.folder, names)
    if left := [name for name in names if name not in pictures]:
        pictures |= seen(other.folder, left)
    made = []
    for row in rows:
        sides = [(side, _arrays(run, run.items[row.name])) for side, run in (("A", one), ("B", other))]
        named = {f"{method} in {side}": held[f"map_{method}"] for method in row.maps for side, held in sides}
        maps, shown = shown_maps(named, axis, {}), pictures.get(row.name)
        made.append(Item(row.name, one.items[row.name].file, maps=maps, shown=shown))
    return made


def _row(
    name: str,
    items: tuple[Item, Item],
    arrays: tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]],
    pathways: tuple[Pathway, Pathway] | None,
    pairs: tuple[LayerPair, ...],
    methods: list[str],
) -> Compared:
    first, second = arrays
    label = items[0].label.index if items[0].label else None
    targets = tuple(-1 if item.target is None or item.target.index is None else item.target.index for item in items)
    shared = [m for m in methods if f"map_{m}" in first and f"map_{m}" in second]
    maps = {m: (first[f"map_{m}"], second[f"map_{m}"]) for m in shared}
    return compared(name, label, (first["logits"], second["logits"]), (targets[0], targets[1]), pathways, pairs, maps)


def _pathways(runs: tuple[Run, Run], items: tuple[Item, Item]) -> tuple[Pathway, Pathway] | None:
    if not all(item.pathway for item in items):
        return None
    first, second = (Pathway.load(run.folder / str(item.arrays)) for run, item in zip(runs, items, strict=True))
    return first, second


def _match(
    pathways: tuple[Pathway, Pathway],
) -> tuple[tuple[LayerPair, ...], tuple[tuple[str, ...], tuple[str, ...]]]:
    first, second = ([(name, mask.shape) for name, mask in p.masks.items()] for p in pathways)
    found = match_layers(first, second)
    pairs = tuple(LayerPair(first[i][0], second[j][0], by) for i, j, by in found.pairs)
    return pairs, (found.left_one, found.left_other)


def _check_layers(name: str, pathways: tuple[Pathway, Pathway], pairs: Sequence[LayerPair]) -> None:
    lost = [pair.one for pair in pairs if pair.one not in pathways[0].masks]
    lost += [pair.other for pair in pairs if pair.other not in pathways[1].masks]
    if lost:
        raise InputError(f"the pathways of input '{name}' have no layer '{lost[0]}', and those before have one")


def _arrays(run: Run, item: Item) -> dict[str, NDArray[Any]]:
    path = run.folder / str(item.arrays)
    if not path.resolve().is_relative_to(run.folder.resolve()):
        raise InputError(f"the raw arrays '{item.arrays}' of input '{item.name}' lie outside the report's folder")
    try:
        held = load_arrays(path, wanted=lambda name: name == "logits" or name.startswith("map_"))
        if wrong := [
            name for name, array in held.items() if array.dtype.kind not in "biuf" or not np.isfinite(array).all()
        ]:
            raise ValueError(f"'{wrong[0]}' holds something else than numbers")
        target = item.target.index if item.target else None
        if (target or 0) not in range(held["logits"].size):
            raise ValueError(f"'logits' has {held['logits'].size} entries, and the target is entry {target}")
    except DAMAGED as error:
        raise InputError(
            f"the raw arrays '{path}' of input '{item.name}' cannot be read: {error}; a comparison of runs needs "
            "them as `onnxpath report` wrote them"
        ) from error
    return held


def _check_models(one: Run, other: Run) -> None:
    told = [_ends(run) for run in (one, other)]
    if told[0] != told[1]:
        raise InputError(
            f"the runs are of different models: one takes and gives {told[0]}, the other {told[1]}; "
            "compare runs of one network, before and after a change"
        )


def _ends(run: Run) -> str:
    def shapes(tensors: list[TensorFacts]) -> str:
        return ", ".join("×".join("N" if not isinstance(d, int) else str(d) for d in t.shape) for t in tensors)

    return f"{shapes(run.model.inputs)} -> {shapes(run.model.outputs)}"


def _check_common(one: Run, other: Run, common: list[str]) -> None:
    if not common:
        first, second = (next(iter(run.items), "none") for run in (one, other))
        raise InputError(
            f"the runs have no input in common: '{one.folder}' begins with '{first}', '{other.folder}' with "
            f"'{second}'; inputs are matched by name, so explain the same files or folders"
        )


def _notes(one: Run, other: Run, rows: list[Compared], pairs: tuple[LayerPair, ...], methods: list[str]) -> list[str]:
    named = sum(p.by == BY_NAME for p in pairs)
    told = [f"layers: {named} matched by name, {len(pairs) - named} by order and shape"] if pairs else []
    same = one.model.sha256 == other.model.sha256
    told.append("both runs are of one file" if same else "the model files differ")
    for key in SETTINGS:
        a, b = getattr(one.run, key), getattr(other.run, key)
        if a != b:
            told.append(f"the runs differ in {key}: {_said(a)} against {_said(b)}")
    lost = [m for run in (one, other) for m in run.run.methods if m not in methods]
    if lost:
        told.append(f"methods of one run alone are left out: {', '.join(lost)}")
    if apart := sum(not row.same_target for row in rows):
        told.append(
            f"explained for different classes in the two runs: {apart} of {len(rows)} inputs, whose pathways and maps "
            "are left out of the averages (--target explains one class in both)"
        )
    return told


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
