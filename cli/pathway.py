"""`onnxpath pathway`: critical pathways of one or a few inputs."""

from __future__ import annotations

from typing import Any

from onnxpath_cli.job import go_through, prepare, tell
from onnxpath_cli.options import (
    ClassNames,
    Inputs,
    Json,
    ModelPath,
    OutFolder,
    Output,
    PreprocessFile,
    Providers,
    Rules,
    Scope,
    Seed,
    Selector,
    Sparsity,
    Target,
)


def pathway(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Select each input's critical pathway, check what the masked network predicts, and save it.

    Writes one .npz per input, which `onnxpath.Pathway.load` reads.

    \b
    Example:
      onnxpath pathway model.onnx cat.png --preprocess preprocess.toml \\
          --sparsity 0.95 -o pathways/
    """
    from onnxpath.batch.explain import pathway_items, pathway_options
    from onnxpath.batch.fit import check_pathway
    from onnxpath.files import save_npz
    from onnxpath.report.build import pathway_facts
    from onnxpath.report.plain import as_plain
    from onnxpath.report.write import file_stem

    job = prepare(
        model,
        inputs,
        out,
        preprocess,
        providers,
        classes,
        output,
        rules,
        options=lambda: pathway_options(selector, sparsity, scope, seed),
        fits=lambda loaded: check_pathway(loaded, selector, target, output),
    )

    def write(result: Any) -> dict[str, Any]:
        item, found = result
        path = out / f"{file_stem(item.name)}.npz"
        save_npz(path, found.packed())
        return {"input": item.name, "file": path, **as_plain(pathway_facts(found, job.classes))}

    results = pathway_items(
        job.model, job.items, job.preprocess, selector, sparsity, scope, job.options, target, output
    )
    rows, failures = go_through(job, results, selector, write)
    tell(job, rows, failures, _line, json)


def _line(row: dict[str, Any]) -> str:
    state = "kept" if row["kept"] else f"LOST (now {row['masked_prediction']['name']})"
    return f"{row['input']}: {row['prediction']['name']} {state}, density {row['density']:.4f} -> {row['file']}"
