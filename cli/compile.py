"""`onnxpath compile`: an explanation as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from re import fullmatch
from typing import Annotated, Any

from typer import Option

from onnxpath_cli.job import read_classes
from onnxpath_cli.options import (
    ClassNames,
    Json,
    ModelPath,
    Output,
    Rules,
    Scope,
    Selector,
    number_or_rule,
    require_unset,
)
from onnxpath_cli.output import counted, few, print_json, say


def compile(
    model: ModelPath,
    out: Annotated[Path, Option("-o", "--out", help="File for the explainer.", show_default=False)],
    method: Annotated[
        str, Option("--method", help="Attribution method that can be one file: `onnxpath list methods`.")
    ] = "pathway-gradient",
    option: Annotated[
        list[str] | None, Option("--option", help="NAME=VALUE of the method, as `onnxpath list methods` shows; repeat.")
    ] = None,
    selector: Selector = "neuron-mct",
    sparsity: Annotated[
        Any,
        Option(
            "--sparsity",
            parser=number_or_rule,
            metavar="FRACTION",
            help="Fraction of neurons pruned, 0 to 1, or input: the file then asks for it.",
        ),
    ] = 0.9,
    scope: Scope = "global",
    target: Annotated[
        str, Option("--target", help="prediction, an output entry, or input: the file then asks for it (-1: largest).")
    ] = "prediction",
    output: Output = None,
    opset: Annotated[int | None, Option("--opset", help="Of the file, 13 to 26; default the working one.")] = None,
    pathway: Annotated[
        Path | None,
        Option("--pathway", help="An .npz of `onnxpath pathway`: write the network that only its neurons are left of."),
    ] = None,
    with_preprocessing: Annotated[
        Path | None,
        Option("--with-preprocessing", help="Preprocess file to put into the file, which then takes uint8 pictures."),
    ] = None,
    overlay: Annotated[bool, Option("--overlay", help="With it, also put out the map over the picture.")] = False,
    web: Annotated[
        Path | None,
        Option("--web", help="Folder for a page that runs the file in a browser; takes --with-preprocessing."),
    ] = None,
    ort_web: Annotated[
        Path | None,
        Option("--ort-web", help="Folder dist/ of the npm package onnxruntime-web; default: npm fetches it."),
    ] = None,
    classes: ClassNames = None,
    rules: Rules = "gradient",
    json: Json = False,
) -> None:
    """Write the model and its explanation as one ONNX file, which runs without onnxpath.

    Its outputs are the model's own and `attribution`; of pathway methods also density, kept neurons per layer and the
    masked network's logits. It has standard operators only. With --pathway, it is the masked network itself.

    \b
    Example:
      onnxpath compile model.onnx --sparsity 0.95 -o explainer.onnx
    """
    given = dict(locals())
    if pathway is not None:
        names = given.keys() - {"model", "out", "pathway", "output", "json"}
        require_unset(compile, given, sorted(names), "with --pathway the file is the masked network itself")
        _write_pathway(model, pathway, output, out, json)
        return
    if web is None:
        require_unset(compile, given, ("classes", "ort_web"), "they are for the page of --web")

    from onnxpath.attribution.methods import METHODS
    from onnxpath.batch.preprocess import load_preprocess
    from onnxpath.errors import all_of
    from onnxpath.explainer.compile import check_exportable
    from onnxpath.explainer.compile import compile as compiled
    from onnxpath.explainer.page import write_page
    from onnxpath.graph.load import save_model
    from onnxpath.options import read_pairs
    from onnxpath.report.write import check_file, check_writable
    from onnxpath.runtime.model import load

    chosen, loaded, preprocess, names, *_ = all_of(
        lambda: METHODS.get(method),
        lambda: load(model, rules=rules),
        lambda: load_preprocess(with_preprocessing) if with_preprocessing else None,
        lambda: read_classes(classes),
        lambda: check_writable(web) if web is not None else None,
        lambda: check_file(out, model),
    )
    check_exportable(chosen)
    own = {"selector": selector, "sparsity": sparsity, "scope": scope}
    (more,) = read_pairs([chosen.options], option or [])
    settings = {k: v for k, v in own.items() if k in chosen.defaults} | more
    entry = int(target) if fullmatch(r"-?\d{1,18}", target) else target
    laid_over = overlay or web is not None
    made = compiled(loaded, method, entry, output, opset=opset, preprocess=preprocess, overlay=laid_over, **settings)
    page = write_page(web, made, loaded.readout(output).output, names, ort_web) if web is not None else None
    save_model(made, out)
    inputs, outputs = [i.name for i in made.graph.input], [o.name for o in made.graph.output]
    if json:
        print_json(
            {"file": out, "method": method, "options": settings, "target": target, "outputs": outputs, "page": page}
            | {"nodes": len(made.graph.node), "inputs": inputs, "opset": made.opset_import[0].version}
        )
    else:
        nodes = counted(len(made.graph.node), "node")
        say(f"{out}: {nodes}, {method} of '{target}', opset {made.opset_import[0].version}")
        say(f"  inputs:  {few(inputs)}")
        say(f"  outputs: {few(outputs)}")
        if page is not None:
            say(f"{page}: serve its folder (`python -m http.server -d {web}`) and open http://localhost:8000")


def _write_pathway(model: Path, pathway: Path, output: str | None, out: Path, json: bool) -> None:
    from onnxpath.errors import all_of
    from onnxpath.explainer.submodel import pathway_model
    from onnxpath.graph.load import save_model
    from onnxpath.pathway.pathway import Pathway
    from onnxpath.report.write import check_file
    from onnxpath.runtime.model import load

    loaded, chosen, _ = all_of(
        lambda: load(model), lambda: Pathway.load(pathway), lambda: check_file(out, model, pathway)
    )
    made = pathway_model(loaded, chosen, output)
    save_model(made, out)
    facts = {p.key.removeprefix("onnxpath."): p.value for p in made.metadata_props}
    if json:
        print_json({"file": out, **facts})
    else:
        say(
            f"{out}: {facts['pathway']}; {facts['removed_channels']} channels removed, {facts['parameters']} "
            "parameters left"
        )
