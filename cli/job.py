"""What the verbs that read inputs have in common: check everything, go through the inputs, tell what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from onnxpath_cli.errors import NOTHING_DONE, SOME_FAILED
from onnxpath_cli.output import complain, print_json, progress, say

if TYPE_CHECKING:
    from onnxpath.batch.explain import Failed
    from onnxpath.batch.inputs import InputItem
    from onnxpath.batch.preprocess import Preprocess
    from onnxpath.runtime.model import Model

Result = TypeVar("Result")
Row = TypeVar("Row")


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
    model: Path,
    inputs: list[Path],
    out: Path,
    preprocess: Path | None,
    providers: str,
    classes: Path | None = None,
    output: str | None = None,
    rules: str = "gradient",
    options: Callable[[], Any] = dict,
    fits: Callable[[Model], Any] = lambda model: None,
    loads: Callable[[], Model] | None = None,
    tokenizer: Path | None = None,
    wrt: str | None = None,
) -> Job:
    """Check all that a verb was given before any work starts, and raise all problems as one error.

    options: checks the verb's own options and returns those to run with; fits: checks the loaded model, before the
    first input is read; loads: loads it, default with the rules that are named; tokenizer: of texts, instead of the
    preprocess file's; wrt: the tensor that maps are of, None for the default.
    """
    from onnxpath.batch.fit import wanted_inputs
    from onnxpath.batch.inputs import find_files, find_inputs
    from onnxpath.errors import all_of
    from onnxpath.report.write import check_writable
    from onnxpath.runtime.model import load

    loaded, chosen, names, settings, *_ = all_of(
        loads or (lambda: load(model, providers, rules=rules, wrt=[wrt] if wrt else None)),
        lambda: _preparation(preprocess, tokenizer),
        lambda: read_classes(classes),
        options,
        lambda: find_files(inputs),
        lambda: check_writable(out),
    )
    all_of(lambda: wanted_inputs(loaded), lambda: fits(loaded), loaded.require_kernels)
    wanted = wanted_inputs(loaded)
    rank = wanted.rank
    items = find_inputs(inputs, rank, wanted)
    names, warnings = _fitting(loaded, names, output) if names else ([], [])
    warnings += [] if preprocess else _unprepared(items, rank)
    return Job(loaded, items, chosen, names, settings, out, warnings)


def _preparation(preprocess: Path | None, tokenizer: Path | None) -> Preprocess:
    from dataclasses import replace

    from onnxpath.batch.preprocess import Preprocess, load_preprocess
    from onnxpath.batch.tokenizer import load_tokenizer

    chosen = load_preprocess(preprocess) if preprocess else Preprocess()
    chosen = replace(chosen, tokenizer=str(tokenizer)) if tokenizer else chosen
    if chosen.tokenizer is not None:
        load_tokenizer(chosen.tokenizer)
    return chosen


def go_through(
    job: Job, results: Iterable[Result | Failed], what: str, write: Callable[[Result], Row]
) -> tuple[list[Row], list[Failed]]:
    """Write each result as it comes and return what `write` returned, and the inputs that failed."""
    from onnxpath.batch.explain import Failed

    rows: list[Row] = []
    failures: list[Failed] = []
    for result in progress(results, len(job.items), what):
        if isinstance(result, Failed):
            failures.append(result)
        else:
            rows.append(write(result))
    return rows, failures


def tell(
    job: Job,
    rows: list[dict[str, Any]],
    failures: list[Failed],
    line: Callable[[dict[str, Any]], str],
    json: bool,
    more: Mapping[str, Any] | None = None,
    say_more: Callable[[], None] = lambda: None,
) -> None:
    """Print one line per result, or all of them as JSON, and leave with the exit code that fits.

    more: what the JSON holds beside the results; say_more: prints the same for people, after the lines.
    """
    if json:
        failed = [{"input": f.item.name, "error": f.error} for f in failures]
        print_json({"results": rows, "failures": failed, "warnings": job.warnings, **(more or {})})
    else:
        for row in rows:
            say(line(row))
        say_more()
    leave(job, failures)


def leave(job: Job, failures: list[Failed]) -> None:
    """Print warnings and the inputs that failed; exit code 1 where some failed, 2 where all did."""
    for warning in job.warnings:
        complain(f"warning: {warning}")
    if failures:
        complain(f"{len(failures)} of {len(job.items)} inputs failed:")
        for failure in failures:
            typer.echo(f"  {failure.error}", err=True)
        raise typer.Exit(SOME_FAILED if len(failures) < len(job.items) else NOTHING_DONE)


def read_classes(path: Path | None) -> list[str]:
    """Return class names, one a line; a leading WordNet id is left out."""
    import re

    from onnxpath.errors import InputError

    if path is None:
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(f"class names '{path}' cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"class names '{path}' are not UTF-8 text: {error}; give one name a line") from error
    return [re.sub(r"^n\d{8}\s+", "", line.strip()) for line in lines if line.strip()]


def _unprepared(items: list[InputItem], rank: int) -> list[str]:
    from onnxpath.batch.inputs import is_picture

    # All rows of an array file are of one kind, so one of them is looked at.
    if any(is_picture(item, rank) for item in items if not item.row):
        return ["no --preprocess was given: pictures went into the model as RGB values from 0 to 255"]
    return []


def _fitting(model: Model, names: list[str], output: str | None) -> tuple[list[str], list[str]]:
    """Return the class names, none where the output has no classes, and warnings about them."""
    shape = model.graph.tensor(model.readout(output).name).shape or []
    sizes = [size for size in shape[1:] if size != 1]
    if len(sizes) > 1:
        return [], [f"the output is {'×'.join(map(str, sizes))}, so that class names do not apply"]
    if sizes and isinstance(sizes[0], int) and sizes[0] != len(names):
        return names, [f"there are {len(names)} class names and {sizes[0]} outputs; names may be off"]
    return names, []
