"""`onnxpath compare`: two models on the same inputs, or two finished reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from onnxpath_cli.compare_runs import compare_runs, is_run, show
from onnxpath_cli.job import go_through, leave, prepare, run_facts
from onnxpath_cli.options import (
    ClassNames,
    Json,
    MethodOptions,
    OutFolder,
    Output,
    PreprocessFile,
    Providers,
    Scope,
    Seed,
    Selector,
    Sparsity,
    Steps,
    Target,
    TokenizerFile,
    Wrt,
    methods,
    require_unset,
    several,
)

if TYPE_CHECKING:
    from onnxpath.batch.compare import ComparedItem, Pair
    from onnxpath.batch.comparison import Comparison
    from onnxpath.batch.inputs import InputItem
    from onnxpath.report.data import Failure, Item, RunFacts
    from onnxpath.report.job.prepare import Job

DEFAULT_METHODS = ["pathway-gradient", "gradient"]
SIDES = {"one": "A", "other": "B"}


def compare(
    one: Annotated[Path, Argument(metavar="A", help="An .onnx file, or a folder of `report`.", show_default=False)],
    other: Annotated[Path, Argument(metavar="B", help="What A is compared with.", show_default=False)],
    out: OutFolder,
    inputs: Annotated[
        list[Path] | None,
        Argument(metavar="INPUTS", help="Of two models: files, folders, patterns or manifests.", show_default=False),
    ] = None,
    method: Annotated[list[str] | None, methods(DEFAULT_METHODS)] = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    steps: Steps = None,
    option: MethodOptions = None,
    threshold: Annotated[
        float, Option("--threshold", help="Relative difference from which a layer counts as diverging.")
    ] = 0.05,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    tokenizer: TokenizerFile = None,
    wrt: Wrt = None,
    classes: ClassNames = None,
    rules: Annotated[
        str | None,
        Option("--rules", help="What goes backwards. Default gradient, or straight-through for a quantised model."),
    ] = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Compare two models on the same inputs, or two finished reports.

    Writes compare.html and compare.json: predictions that changed, overlap of pathways and first diverging layer,
    likeness of maps; for models also arrays/. Both models are asked about the class that A predicts.

    \b
    Example:
      onnxpath compare model.onnx model_int8.onnx images/ \\
          --preprocess preprocess.toml -o comparison/
    """
    given = dict(locals())
    if is_run(one) and is_run(other):
        names = given.keys() - {"one", "other", "inputs", "out", "threshold", "classes", "json"}
        require_unset(compare, given, sorted(names), "two finished reports are compared as they are")
    if is_run(one) or is_run(other):
        compare_runs(one, other, inputs or [], out, threshold, classes, json)
        return

    from onnxpath.batch.comparable import fitting
    from onnxpath.batch.compare import Pair, compare_items, settings
    from onnxpath.errors import all_of
    from onnxpath.report.data import Failure

    names = several(method, DEFAULT_METHODS)
    job = prepare(
        *(one, inputs or [], out, preprocess, providers, classes, output),
        options=lambda: all_of(
            lambda: fitting(other, providers, rules, wrt),
            lambda: settings(names, selector, sparsity, scope, threshold, steps, seed, option or ()),
        ),
        loads=lambda: fitting(one, providers, rules, wrt),
        tokenizer=tokenizer,
    )
    second, chosen = job.options
    pair = Pair.of(job.model, second, chosen, target, output)
    second.require_kernels()
    items: dict[str, InputItem] = {}

    def write(result: ComparedItem) -> Any:
        items[result.item.name] = result.item
        return _write(job, result)

    rows, failures = go_through(
        job, compare_items(pair, job.items, job.preprocess, job.classes, target), "compare", write
    )
    if not rows:
        leave(job, failures)
    found = pair.comparison(rows, one.name, other.name)
    failed = [Failure(f.item.name, f.error) for f in failures]
    _page(job, pair, found, items, failed, output)
    show(found, out, json, failed, job.warnings)
    leave(job, failures)


def _write(job: Job, result: ComparedItem) -> Any:
    from onnxpath.files import save_npz

    save_npz(job.out / _arrays(result.item.name), result.arrays)
    return result.row


def _arrays(name: str) -> str:
    from onnxpath.report.write import ARRAYS, file_stem

    return f"{ARRAYS}/{file_stem(name)}.npz"


def _page(
    job: Job, pair: Pair, found: Comparison, items: dict[str, InputItem], failures: list[Failure], output: str | None
) -> None:
    import onnxpath
    from onnxpath.batch.comparable import is_quantised
    from onnxpath.report import build
    from onnxpath.report.compared import ComparePage, summarise_comparison, to_show
    from onnxpath.report.write import write_report

    names = list(job.classes) or list(next((i.classes for i in job.items if i.classes), ()))
    page = ComparePage(
        onnxpath=onnxpath.__version__,
        title=f"{found.one} against {found.other}",
        one=build.model_facts(pair.one, output),
        other=build.model_facts(pair.other, output),
        run=_run(job, pair),
        comparison=found,
        summary=summarise_comparison(found),
        quantised=is_quantised(pair.other) and not is_quantised(pair.one),
        classes=names,
        items=[_item(job, pair, items[row.name]) for row in to_show(found)],
        failures=failures,
        warnings=job.warnings,
    )
    write_report(job.out, page)


def _item(job: Job, pair: Pair, item: InputItem) -> Item:
    """Return an input as the page shows it: its picture read once more, its maps from the arrays that were written."""
    import numpy as np

    from onnxpath.batch.explain import Failed, read_inputs
    from onnxpath.report import build, data

    (read,) = read_inputs(job.model, [item], job.preprocess)
    loaded = None if isinstance(read, Failed) else read[1]
    with np.load(job.out / _arrays(item.name), allow_pickle=False) as arrays:
        held = {name.removeprefix("map_"): arrays[name] for name in arrays.files if name.startswith("map_")}
    named = {
        f"{method} in {SIDES[side]}": held[f"{method}_{side}"] for method in pair.settings.methods for side in SIDES
    }
    axis = build.map_channel_axis(job.model, job.preprocess)
    return data.Item(
        item.name,
        str(item.path),
        arrays=_arrays(item.name),
        maps=build.maps(named, axis, {}, loaded.parts if loaded else None),
        shown=loaded.shown if loaded else None,
    )


def _run(job: Job, pair: Pair) -> RunFacts:
    chosen = pair.settings.selection
    return run_facts(
        job,
        chosen.sparsity,
        seed=chosen.options.get("seed"),
        selector=chosen.selector,
        scope=chosen.scope,
        methods=list(pair.settings.methods),
    )
