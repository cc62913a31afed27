"""`onnxpath activations`: save intermediate tensors of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from onnxpath_cli.common import (
    Inputs,
    Json,
    ModelPath,
    PreprocessFile,
    Providers,
    errors_as_text,
    failure_exit,
    load_model,
    open_inputs,
    print_json,
    progress,
    say,
)


@errors_as_text
def activations(
    model: ModelPath,
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for one .npz per input.", show_default=False)],
    tensor: Annotated[
        list[str] | None, typer.Option("--tensor", help="Tensor to save; repeat for more. Default every neuron layer.")
    ] = None,
    preprocess: PreprocessFile = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Save the values of intermediate tensors, one .npz per input.

    Example: onnxpath activations model.onnx images/ --tensor /conv1/Relu_output_0 -o activations/
    """
    from onnxpath.batch.explain import Failed, read_inputs, single_input
    from onnxpath.graph.surgery import expose
    from onnxpath.report.write import check_writable, file_stem, save_npz

    loaded = load_model(model, providers)
    names = list(tensor) if tensor else [layer.name for layer in loaded.layers()]
    program = loaded.session(("expose", *names), lambda: expose(loaded, names))
    items, chosen, warnings = open_inputs(loaded, inputs, preprocess)
    check_writable(out)
    info = single_input(loaded)
    rows: list[dict[str, Any]] = []
    failures = []
    for read in progress(read_inputs(loaded, items, chosen), len(items), "activations", quiet=json):
        if isinstance(read, Failed):
            failures.append(read)
            continue
        item, value = read
        ((part, _),) = loaded.batches({info.name: value.array[None]})
        values = {name: array[0] for name, array in program.run(part, names).items()}
        path = out / f"{file_stem(item.name)}.npz"
        save_npz(path, values)
        rows.append({"input": item.name, "file": str(path), "tensors": {n: list(v.shape) for n, v in values.items()}})
    if json:
        print_json({"results": rows, "failures": [vars(f) for f in failures], "warnings": warnings})
    else:
        for row in rows:
            say(f"{row['input']}: {len(names)} tensors -> {row['file']}")
        for warning in warnings:
            say(f"warning: {warning}")
    failure_exit(failures, len(rows))
