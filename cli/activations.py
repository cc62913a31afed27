"""`onnxpath activations`: save intermediate tensors of a model."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Option

from onnxpath_cli.job import go_through, prepare, tell
from onnxpath_cli.options import Inputs, Json, ModelPath, OutFolder, PreprocessFile, Providers
from onnxpath_cli.output import counted


def activations(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    tensor: Annotated[
        list[str] | None, Option("--tensor", help="Tensor to save; repeat for more. Default every neuron layer.")
    ] = None,
    preprocess: PreprocessFile = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Save the values of intermediate tensors, one .npz per input.

    `onnxpath inspect MODEL --tensors` lists their names.

    \b
    Example:
      onnxpath activations model.onnx images/ --preprocess preprocess.toml \\
          --tensor /features/Relu_output_0 -o activations/
    """
    from onnxpath.batch.explain import activation_items
    from onnxpath.batch.fit import check_tensors
    from onnxpath.files import save_npz
    from onnxpath.report.write import file_stem

    job = prepare(model, inputs, out, preprocess, providers, fits=lambda loaded: check_tensors(loaded, tensor))
    names = tensor or [layer.name for layer in job.model.layers()]

    def write(result: Any) -> dict[str, Any]:
        item, values = result
        path = out / f"{file_stem(item.name)}.npz"
        save_npz(path, values)
        return {"input": item.name, "file": path, "tensors": {name: list(v.shape) for name, v in values.items()}}

    results = activation_items(job.model, job.items, job.preprocess, names)
    rows, failures = go_through(job, results, "activations", write)
    tell(
        job,
        rows,
        failures,
        lambda row: f"{row['input']}: {counted(len(row['tensors']), 'tensor')} -> {row['file']}",
        json,
    )
