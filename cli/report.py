"""`onnxpath report`: a page, its data and the raw arrays, for a folder of inputs."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from onnxpath_cli.common import (
    ClassNames,
    Inputs,
    Json,
    ModelPath,
    OutputName,
    PreprocessFile,
    Providers,
    Scope,
    Seed,
    Selector,
    Sparsity,
    TargetIndex,
    errors_as_text,
    failure_exit,
    load_model,
    open_inputs,
    print_json,
    progress,
    read_classes,
    say,
)


@errors_as_text
def report(
    model: ModelPath,
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the report.", show_default=False)],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Attribution method; repeat for more. Default pathway-gradient and gradient."),
    ] = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    steps: Annotated[int, typer.Option("--steps", help="Points of integrated gradients.")] = 50,
    target: TargetIndex = None,
    output: OutputName = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.")] = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Explain every input and write report.html, report.json and arrays/.

    Example: onnxpath report model.onnx images/ --preprocess preprocess.toml --classes classes.txt -o report/
    """
    import onnxpath
    from onnxpath.batch.explain import Failed, explain_items, method_options, selector_options
    from onnxpath.report import build, data
    from onnxpath.report.write import check_writable, write_report

    clock = time.perf_counter()
    methods = list(dict.fromkeys(method or ["pathway-gradient", "gradient"]))
    options = method_options(methods, selector, sparsity, scope, steps, selector_options(selector, seed))
    loaded = load_model(model, providers)
    names = read_classes(classes)
    items, chosen, warnings = open_inputs(loaded, inputs, preprocess)
    check_writable(out)
    facts = build.model_facts(loaded, output)
    seconds = {"load": time.perf_counter() - clock}
    clock = time.perf_counter()
    done: list[data.Item] = []
    failures = []
    for result in progress(explain_items(loaded, items, chosen, options, target, output), len(items), "report", quiet=json):
        if isinstance(result, Failed):
            failures.append(result)
        else:
            done.append(build.finished_item(out, result, names, build.map_channel_axis(loaded, chosen)))
    seconds["run"] = time.perf_counter() - clock
    shown = data.Report(
        onnxpath=onnxpath.__version__,
        title=title or f"{facts.path} on {len(items)} inputs",
        model=facts,
        run=data.RunFacts(
            provider=loaded.provider,
            versions=build.versions(),
            seed=seed if "seed" in selector_options(selector, seed) else None,
            preprocess=asdict(chosen),
            selector=selector if "pathway-gradient" in methods else None,
            sparsity=sparsity if "pathway-gradient" in methods else None,
            methods=methods,
            command=" ".join(["onnxpath", *sys.argv[1:]]),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=seconds,
        ),
        items=done,
        failures=[data.Failure(f.item.name, f.error) for f in failures],
        warnings=warnings,
    )
    page = write_report(out, shown)
    if json:
        summary = {"page": str(page), "data": str(out / "report.json"), "inputs": len(done), "failed": len(failures)}
        print_json(summary)
    else:
        say(f"{page}: {len(done)} inputs" + (f", {len(failures)} failed" if failures else ""))
        for warning in warnings:
            say(f"warning: {warning}")
    failure_exit(failures, len(done))
