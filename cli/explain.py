"""`onnxpath explain`: attribution maps of one or a few inputs."""

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
def explain(
    model: ModelPath,
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for maps as .npz and .png.", show_default=False)],
    method: Annotated[str, typer.Option("--method", help="Attribution method: `onnxpath list methods`.")] = "pathway-gradient",
    target: TargetIndex = None,
    output: OutputName = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    steps: Annotated[int, typer.Option("--steps", help="Points of integrated gradients.")] = 50,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Write the attribution map of each input as an array and a picture.

    Example: onnxpath explain model.onnx cat.png --preprocess preprocess.toml -o maps/
    """
    from onnxpath.batch.explain import Failed, explain_items, method_options
    from onnxpath.report.build import class_ref, maps, map_channel_axis
    from onnxpath.report.encode import map_png
    from onnxpath.report.write import check_writable, file_stem, save_npz, write_bytes

    loaded = load_model(model, providers)
    names = read_classes(classes)
    options = method_options([method], selector, sparsity, scope, steps)
    items, chosen, warnings = open_inputs(loaded, inputs, preprocess)
    check_writable(out)
    rows: list[dict[str, Any]] = []
    failures = []
    results = explain_items(loaded, items, chosen, options, target, output)
    for result in progress(results, len(items), method, quiet=json):
        if isinstance(result, Failed):
            failures.append(result)
            continue
        (shown,) = maps(result.maps, map_channel_axis(loaded, chosen), result.deltas)
        stem = file_stem(result.item.name)
        array, picture = out / f"{stem}.npz", out / f"{stem}.png"
        save_npz(array, {"map": result.maps[method], "logits": result.logits})
        write_bytes(picture, map_png(shown.values, shown.limit))
        target_name = class_ref(result.target, names).name
        rows.append(
            {
                "input": result.item.name,
                "target": result.target,
                "target_name": target_name,
                "array": str(array),
                "picture": str(picture),
                "clipping": shown.clipping,
                "delta": result.deltas.get(method),
                "kept": result.pathway.kept_prediction if result.pathway else None,
                "density": result.pathway.density if result.pathway else None,
            }
        )
    if json:
        print_json({"method": method, "results": rows, "failures": [vars(f) for f in failures], "warnings": warnings})
    else:
        for row in rows:
            say(f"{row['input']}: target {row['target_name']} -> {row['picture']} ({row['clipping']})")
        for warning in warnings:
            say(f"warning: {warning}")
    failure_exit(failures, len(rows))
