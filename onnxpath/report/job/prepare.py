"""A run that is checked before it starts: model, inputs, preprocessing, classes and options, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnxpath.batch.class_names import read_classes
from onnxpath.batch.fit import unprepared, wanted_inputs
from onnxpath.batch.found import check_apart
from onnxpath.batch.inputs import InputItem, find_files, find_inputs, is_picture
from onnxpath.batch.labels import class_sizes
from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.batch.tokenizer import load_tokenizer
from onnxpath.errors import all_of
from onnxpath.report.write import check_writable
from onnxpath.runtime.model import Model, load
from onnxpath.shown import plural


@dataclass(frozen=True)
class Job:
    """A checked run: the model, what to read and how, the verb's options, where results go, warnings for the user."""

    model: Model
    items: list[InputItem]
    preprocess: Preprocess
    classes: list[str]
    options: Any
    out: Path
    warnings: list[str]


def prepare(
    model: Any,
    inputs: Sequence[Path],
    out: Path,
    preprocess: Path | Preprocess | None,
    providers: str,
    classes: Path | Sequence[str] | None = None,
    output: str | None = None,
    rules: str = "gradient",
    options: Callable[[], Any] = dict,
    fits: Callable[[Model], Any] = lambda model: None,
    loads: Callable[[], Model] | None = None,
    tokenizer: Path | None = None,
    wrt: str | None = None,
    threads: int | None = None,
    precision: str = "float32",
) -> Job:
    """Check all that a verb was given before any work starts, and raise all problems as one error.

    options: checks the verb's own options and returns those to run with; fits: checks the loaded model, before the
    first input is read; loads: loads it, default with the rules that are named; tokenizer: of texts, instead of the
    preprocess file's; wrt: the tensor that maps are of, None for the default; threads, precision: of
    the model, see `load`.
    """
    settings_of_model: dict[str, Any] = {"rules": rules, "wrt": [wrt] if wrt else None}
    settings_of_model |= {"threads": threads, "precision": precision}
    loaded, chosen, names, settings, *_ = all_of(
        loads or (lambda: load(model, providers, **settings_of_model)),
        lambda: _preparation(preprocess, tokenizer),
        lambda: read_classes(classes),
        options,
        lambda: find_files(inputs),
        lambda: check_writable(out),
        lambda: check_apart(inputs, out),
    )
    all_of(lambda: wanted_inputs(loaded), lambda: fits(loaded), loaded.require_kernels)
    wanted = wanted_inputs(loaded)
    items = find_inputs(inputs, wanted.rank, wanted)
    names, warnings = _fitting(loaded, names, output) if names else ([], [])
    if not preprocess:
        chosen = replace(unprepared(wanted), tokenizer=chosen.tokenizer)
        warnings += _told_unprepared(items, wanted.rank, chosen.dtype)
    return Job(loaded, items, chosen, names, settings, out, warnings)


def _preparation(preprocess: Path | Preprocess | None, tokenizer: Path | None) -> Preprocess:
    given = load_preprocess(Path(preprocess)) if isinstance(preprocess, str | Path) else preprocess
    chosen = given or Preprocess()
    chosen = replace(chosen, tokenizer=str(tokenizer)) if tokenizer else chosen
    if chosen.tokenizer is not None:
        load_tokenizer(chosen.tokenizer)
    return chosen


def _told_unprepared(items: list[InputItem], rank: int, dtype: str) -> list[str]:
    # All rows of an array file are of one kind, so one of them is looked at.
    if not any(is_picture(item, rank) for item in items if not item.row):
        return []
    whole = ", in uint8 as its input is" * (dtype == "uint8")
    return [f"no --preprocess was given: pictures went into the model as RGB values from 0 to 255{whole}"]


def _fitting(model: Model, names: list[str], output: str | None) -> tuple[list[str], list[str]]:
    """Return the class names, none where the output has no classes, and warnings about them."""
    sizes = class_sizes(model, output)
    if len(sizes) > 1:
        return [], [f"the output is {'×'.join(map(str, sizes))}, so that class names do not apply"]
    if sizes and isinstance(sizes[0], int) and sizes[0] != len(names):
        given = f"{len(names)} {plural('name', len(names))}"
        return names, [f"--classes has {given}, and the output {sizes[0]} entries; names may be off"]
    return names, []
