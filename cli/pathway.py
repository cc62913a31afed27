"""`onnxpath pathway`: critical pathways of one or a few inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
def pathway(
    model: ModelPath,
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for one pathway .npz per input.", show_default=False)],
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    target: TargetIndex = None,
    output: OutputName = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Select each input's critical pathway, check what the masked network predicts, and save it.

    Example: onnxpath pathway model.onnx cat.png --preprocess preprocess.toml --sparsity 0.95 -o pathways/
    """
    from onnxpath.batch.explain import Failed, pathway_items, selector_options
    from onnxpath.report.build import pathway_facts
    from onnxpath.report.plain import as_plain
    from onnxpath.report.write import check_writable, file_stem

    loaded = load_model(model, providers)
    names = read_classes(classes)
    options = selector_options(selector, seed)
    items, chosen, warnings = open_inputs(loaded, inputs, preprocess)
    check_writable(out)
    rows: list[dict[str, Any]] = []
    failures = []
    results = pathway_items(loaded, items, chosen, selector, sparsity, scope, options, target, output)
    for result in progress(results, len(items), selector, quiet=json):
        if isinstance(result, Failed):
            failures.append(result)
            continue
        item, found = result
        path = out / f"{file_stem(item.name)}.npz"
        found.save(path)
        rows.append({"input": item.name, "file": str(path), **as_plain(pathway_facts(found, names))})
    if json:
        print_json({"results": rows, "failures": [vars(f) for f in failures], "warnings": warnings})
    else:
        for row in rows:
            state = "kept" if row["kept"] else f"LOST (now {row['masked_prediction']['name']})"
            say(f"{row['input']}: {row['prediction']['name']} {state}, density {row['density']:.4f} -> {row['file']}")
        for warning in warnings:
            say(f"warning: {warning}")
    failure_exit(failures, len(rows))
