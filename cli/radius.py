"""`onnxpath radius`: how far an input may move before a network, and its pathway, stop being linear."""

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
)

if TYPE_CHECKING:
    from onnxpath.batch.radii import RadiusItem
    from onnxpath.pathway.analyses.radius import LinearRadius


def radius(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    units: Annotated[
        int | None,
        Option("--units", min=1, help="Kinks of each node to look at, the nearest first; default all. Upper bound."),
    ] = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Measure the L2 ball around each input in which the network, and its pathway, are linear.

    Takes a backward pass per neuron: for large networks give --units. Writes one .npz per input (the direction to the
    nearest kink, by network) and radius.json. Compare with --selector random at the same density.

    \b
    Example:
      onnxpath radius model.onnx cat.png --preprocess preprocess.toml \\
          --units 64 -o radius/
    """
    from functools import partial
    from json import dumps

    from onnxpath.batch.fit import check_pathway
    from onnxpath.batch.radii import radius_items
    from onnxpath.batch.selection import Selection
    from onnxpath.errors import all_of
    from onnxpath.files import save_npz, write_bytes
    from onnxpath.pathway.analyses.radius import check_radius
    from onnxpath.report.build import class_ref
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
        options=lambda: Selection.of(selector, sparsity, scope, seed),
        fits=lambda loaded: all_of(
            partial(check_radius, loaded, output), partial(check_pathway, loaded, selector, target, output)
        ),
    )

    def write(result: RadiusItem) -> dict[str, Any]:
        networks = {"original": result.original, "pathway": result.masked}
        path = out / f"{file_stem(result.item.name)}.npz"
        save_npz(path, _directions(networks))
        return {
            "input": result.item.name,
            "target": class_ref(result.pathway.target, job.classes),
            "selector": selector,
            "density": result.pathway.density,
            "kept": result.pathway.kept_prediction,
            "file": path,
            **{name: _facts(found) for name, found in networks.items()},
        }

    results = radius_items(job.model, job.items, job.preprocess, units, job.options, target, output)
    rows, failures = go_through(job, results, "radius", write)
    if rows:
        table = as_plain({"sparsity": sparsity, "scope": scope, "results": rows})
        write_bytes(out / "radius.json", (dumps(table, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    tell(job, rows, failures, _line, json)


def _directions(networks: dict[str, LinearRadius]) -> dict[str, Any]:
    ends = {name: found.nearest for name, found in networks.items() if found.nearest is not None}
    return {f"{name}_{source}": step for name, end in ends.items() for source, step in end.direction.items()}


def _facts(found: LinearRadius) -> dict[str, Any]:
    """Everything but the direction, which is in the .npz."""
    nearest = found.nearest
    return {
        "radius": found.radius,
        "bound": found.bound,
        "layer": nearest.layer if nearest else None,
        "op": nearest.op if nearest else None,
        "unit": nearest.unit if nearest else None,
        "rival": nearest.rival if nearest else None,
        "layers": found.layers,
        "units": found.units,
        "off_fraction": found.off_fraction,
        "saturated": found.saturated,
    }


def _line(row: dict[str, Any]) -> str:
    one, other = row["original"], row["pathway"]
    most = "at most " if "upper" in (one["bound"], other["bound"]) else ""
    ends = f" (ends at {other['layer']})" if other["layer"] else ""
    ties = "; 0: entries of a pooling window tie" if not one["radius"] or not other["radius"] else ""
    return f"{row['input']}: radius {most}{one['radius']:.3g}, of the pathway {most}{other['radius']:.3g}{ends}{ties}"
