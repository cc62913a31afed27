"""`onnxpath explain`: attribution maps of one or a few inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from onnxpath_cli.job import go_through, prepare, tell
from onnxpath_cli.options import (
    ClassNames,
    Composite,
    Inputs,
    Json,
    MethodOptions,
    ModelPath,
    OutFolder,
    Output,
    Precision,
    PreprocessFile,
    Providers,
    Rules,
    Scope,
    Seed,
    Selector,
    Sparsity,
    Steps,
    Target,
    TokenizerFile,
    Wrt,
)
from onnxpath_cli.output import say

if TYPE_CHECKING:
    from onnxpath.batch.explain import Explained

LARGEST = 3
"""Tokens or features that are printed of each input."""


def explain(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    method: Annotated[
        str, Option("--method", help="Attribution method: `onnxpath list methods`.")
    ] = "pathway-gradient",
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    steps: Steps = None,
    option: MethodOptions = None,
    composite: Composite = None,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    tokenizer: TokenizerFile = None,
    wrt: Wrt = None,
    classes: ClassNames = None,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Write the attribution map of each input as an array and a picture.

    Writes an .npz (map, logits) and a .png per input: red supports the target, blue speaks against it.
    The largest scores of tokens and features are printed; with --json all of them.

    \b
    Example:
      onnxpath explain model.onnx cat.png --preprocess preprocess.toml -o maps/
    """
    import numpy as np

    from onnxpath.batch.explain import explain_items, method_options
    from onnxpath.batch.fit import check_attribution
    from onnxpath.files import save_npz, write_bytes
    from onnxpath.report.build import class_ref, map_channel_axis, maps, scored
    from onnxpath.report.encode import map_png
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
        options=lambda: method_options([method], selector, sparsity, scope, steps, seed, composite, option or ()),
        fits=lambda loaded: check_attribution(loaded, [method], target, output),
        tokenizer=tokenizer,
        wrt=wrt,
        precision=precision,
    )
    channel_axis = map_channel_axis(job.model, job.preprocess)

    def write(result: Explained) -> dict[str, Any]:
        parts = result.loaded.parts
        (shown,) = maps(result.maps, channel_axis, result.deltas, parts)
        stem = file_stem(result.item.name)
        array, picture = out / f"{stem}.npz", out / f"{stem}.png"
        names = {parts.kind: np.array(parts.names)} if parts else {}
        save_npz(array, {"map": result.maps[method], "logits": result.logits, **names})
        write_bytes(picture, map_png(shown.values, shown.limit))
        return {
            "input": result.item.name,
            "target": result.target,
            "target_name": class_ref(result.target, job.classes).name,
            "array": array,
            "picture": picture,
            "clipping": shown.clipping,
            "delta": result.deltas.get(method),
            "scores": scored(parts, shown.scores),
            "kept": result.pathway.kept_prediction if result.pathway else None,
            "density": result.pathway.density if result.pathway else None,
            "notes": list(result.notes),
        }

    results = explain_items(job.model, job.items, job.preprocess, job.options, target, output)
    rows, failures = go_through(job, results, method, write)
    tell(job, rows, failures, _line, json, say_more=lambda: _say_notes(rows))


def _say_notes(rows: list[dict[str, Any]]) -> None:
    for note in dict.fromkeys(note for row in rows for note in row["notes"]):
        say(f"note: {note}")


def _line(row: dict[str, Any]) -> str:
    largest = sorted(row["scores"] or [], key=lambda one: abs(one["score"]), reverse=True)[:LARGEST]
    told = ": " * bool(largest) + ", ".join(f"{one['name']} {one['score']:.3g}" for one in largest)
    return f"{row['input']}: target {row['target_name']}{told} -> {row['picture']} ({row['clipping']})"
