"""`onnxpath decode`: pictures of what a network, its active neurons or its pathway answer most strongly to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

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
    Scope,
    Seed,
    Selector,
    Sparsity,
    Target,
    several,
)

if TYPE_CHECKING:
    from onnxpath.batch.decoded import DecodedItem


def decode(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    network: Annotated[
        list[str] | None,
        Option("--network", help="original, active or pathway; commas between, or repeat. Default pathway."),
    ] = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    steps: Annotated[int, Option("--steps", min=1, help="Of gradient ascent.")] = 256,
    learning_rate: Annotated[float, Option("--learning-rate", help="Of Adam.")] = 0.05,
    parametrisation: Annotated[str, Option("--parametrisation", help="What is climbed: pixel or fourier.")] = "pixel",
    decay: Annotated[float, Option("--decay", help="fourier: waves weigh 1 / frequency to this power.")] = 1.0,
    jitter: Annotated[int, Option("--jitter", min=0, help="Random shift before each step, in pixels.")] = 0,
    start: Annotated[str, Option("--start", help="grey or noise.")] = "grey",
    seed: Seed = 0,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Climb to the input that each input's pathway answers most strongly to.

    The target's logit is raised by gradient ascent on the input of the masked network, within the values that pixels
    can have. Writes an .npz per input (inputs, scores by step) and a .png per network where inputs are pictures.

    \b
    Example:
      onnxpath decode model.onnx cat.png --preprocess preprocess.toml \\
          --network original --network pathway --steps 20 -o decoded/
    """
    from functools import partial

    from onnxpath.batch.decoded import check_networks, decode_items
    from onnxpath.batch.fit import check_pathway
    from onnxpath.batch.selection import Selection
    from onnxpath.batch.unprocess import picture_png
    from onnxpath.errors import all_of
    from onnxpath.files import save_npz, write_bytes
    from onnxpath.pathway.analyses.decode import Climb, check_decoding
    from onnxpath.report.build import class_ref
    from onnxpath.report.write import file_stem

    checks = (
        partial(Selection.of, selector, sparsity, scope, seed),
        partial(Climb, steps, learning_rate, parametrisation, decay, jitter, start, seed),
        partial(check_networks, several(network, ["pathway"])),
    )

    job = prepare(
        model,
        inputs,
        out,
        preprocess,
        providers,
        classes,
        output,
        options=partial(all_of, *checks),
        fits=lambda loaded: all_of(
            partial(check_decoding, loaded, checks[1]()), partial(check_pathway, loaded, selector, target, output)
        ),
    )
    selection, climb, networks = job.options

    def write(result: DecodedItem) -> dict[str, Any]:
        stem = file_stem(result.item.name)
        array = out / f"{stem}.npz"
        scores = {f"scores_{name}": values for name, values in result.scores.items()}
        save_npz(array, {**{f"input_{name}": values for name, values in result.values.items()}, **scores})
        pictures = {name: out / f"{stem}.{name}.png" for name in result.pictures}
        for name, path in pictures.items():
            write_bytes(path, picture_png(result.pictures[name]))
        return {
            "input": result.item.name,
            "target": class_ref(result.target, job.classes),
            "array": array,
            "pictures": pictures,
            "logits": {name: [values[0], values[-1]] for name, values in result.scores.items()},
            "densities": {name: pathway.density for name, pathway in result.pathways.items()},
        }

    results = decode_items(job.model, job.items, job.preprocess, networks, climb, selection, target, output)
    rows, failures = go_through(job, results, "decode", write)
    tell(job, rows, failures, _line, json)


def _line(row: dict[str, Any]) -> str:
    climbs = (f"{name} {ends[0]:.3g} to {ends[1]:.3g}" for name, ends in row["logits"].items())
    shown = ", ".join(str(path) for path in (row["pictures"] or {"": row["array"]}).values())
    return f"{row['input']}: logit of {row['target'].name}, {', '.join(climbs)} -> {shown}"
