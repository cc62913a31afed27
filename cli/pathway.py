"""`onnxpath pathway`: critical pathways of inputs by one selector or several, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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
    Precision,
    PreprocessFile,
    Providers,
    Rules,
    Scope,
    Seed,
    SelectorOptions,
    Sparsity,
    Target,
    several,
)
from onnxpath_cli.output import say
from onnxpath_cli.study import check_alike, sizes_of, told, write_study

if TYPE_CHECKING:
    from onnxpath.batch.pathways import Traced
    from onnxpath.pathway.pathway import Pathway
    from onnxpath.report.job.prepare import Job

DEFAULT_SELECTOR = "neuron-mct"


def pathway(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    selector: Annotated[
        list[str] | None,
        Option(
            "--selector",
            help="How neurons are scored: `onnxpath list selectors`; commas between, or repeat. "
            f"Default {DEFAULT_SELECTOR}.",
        ),
    ] = None,
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    option: SelectorOptions = None,
    analysis: Annotated[
        list[str] | None,
        Option(
            "--analysis", help="What to find out of all pathways: `onnxpath list analyses`; commas between, or repeat."
        ),
    ] = None,
    netron: Annotated[
        Path | None, Option("--netron", help="A .json file for Netron's Metrics sidebar: contribution, kept fraction.")
    ] = None,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Select each input's critical pathway, check what the masked network predicts, and save it.

    Writes one .npz per input, which `onnxpath.Pathway.load` reads, in a folder per selector where there are several;
    with --analysis also pathways.html and pathways.json.

    \b
    Example:
      onnxpath pathway model.onnx cat.png --preprocess preprocess.toml \\
          --sparsity 0.95 -o pathways/
      onnxpath pathway model.onnx images/ --preprocess preprocess.toml \\
          --selector neuron-mct --selector random --analysis overlap -o study/
    """
    from dataclasses import replace
    from functools import partial

    from onnxpath.batch.fit import check_pathway
    from onnxpath.batch.pathways import pathway_items
    from onnxpath.batch.selection import Selection, selector_options
    from onnxpath.errors import all_of
    from onnxpath.pathway.analyses.named import ANALYSES
    from onnxpath.pathway.analyses.packed import packed
    from onnxpath.report.netron import check_name
    from onnxpath.report.write import check_writable

    selectors = several(selector, [DEFAULT_SELECTOR])
    analyses = several(analysis, [])

    def options() -> list[Selection]:
        checks: list[Any] = [partial(Selection.of, name, sparsity, scope, seed) for name in selectors]
        checks += [partial(ANALYSES.get, name) for name in analyses]
        checks += [lambda: check_name(netron), lambda: check_writable(netron.parent)] if netron else []
        found = all_of(*checks)
        more = selector_options(selectors, option or [])
        return [replace(s, options={**s.options, **more[s.selector]}) for s in found[: len(selectors)]]

    job = prepare(
        model,
        inputs,
        out,
        preprocess,
        providers,
        classes,
        output,
        rules,
        options=options,
        precision=precision,
        fits=lambda loaded: all_of(*(partial(check_pathway, loaded, name, target, output) for name in selectors)),
    )
    found: dict[str, list[Pathway]] = {name: [] for name in selectors}
    contributions: list[Mapping[str, float]] = []
    first: list[tuple[str, dict[str, tuple[int, ...]]]] = []

    def write(result: Traced) -> list[dict[str, Any]]:
        if analyses:
            first[:] = first or [(result.item.name, sizes_of(result))]
            check_alike(*first[0], result)
        if analyses or netron:
            for name, pathway in result.pathways.items():
                found[name].append(packed(pathway))
        if result.contributions is not None:
            contributions.append(result.contributions)
        return [_write(job, result.item.name, name, pathway) for name, pathway in result.pathways.items()]

    results = pathway_items(
        job.model, job.items, job.preprocess, job.options, target, output, contributions=netron is not None
    )
    written, failures = go_through(job, results, ", ".join(selectors), write)
    rows = [row for several in written for row in several]
    more: dict[str, Any] = {}
    if rows and netron:
        _write_netron(netron, job, found, contributions)
        more["netron"] = netron
    if rows and analyses:
        settings = {"sparsity": sparsity, "scope": scope, "seed": seed}
        page, study = write_study(job, found, analyses, failures, output, settings)
        more |= {"page": page, "analyses": study.analyses}
    tell(job, rows, failures, _line, json, more, lambda: _more(more))


def _write(job: Job, name: str, selector: str, pathway: Pathway) -> dict[str, Any]:
    from onnxpath.files import save_npz
    from onnxpath.report.build import pathway_facts
    from onnxpath.report.plain import as_plain
    from onnxpath.report.write import file_stem

    folder = job.out / selector if len(job.options) > 1 else job.out
    path = folder / f"{file_stem(name)}.npz"
    save_npz(path, pathway.packed())
    return {"input": name, "file": path, **as_plain(pathway_facts(pathway, job.classes))}


def _write_netron(
    path: Path, job: Job, found: Mapping[str, list[Pathway]], contributions: list[Mapping[str, float]]
) -> None:
    from onnxpath.files import write_bytes
    from onnxpath.report.netron import attachment

    write_bytes(path, attachment(job.model, found, contributions).encode("utf-8"))


def _line(row: dict[str, Any]) -> str:
    from onnxpath.pathway.pathway import relative_change
    from onnxpath.report.template import percent

    state = "kept" if row["kept"] else f"LOST (now {row['masked_prediction']['name']})"
    answer = f"prediction {row['prediction']['name']} {state}"
    if row["kept"] is None:
        whole, alone = row["logit"], row["masked_logit"]
        answer = f"{whole:.4g}, with the pathway alone {alone:.4g} ({percent(relative_change(whole, alone))})"
    return f"{row['input']}: {answer}, density {row['density']:.4f} -> {row['file']}"


def _more(more: Mapping[str, Any]) -> None:
    for line in told(more.get("analyses", {})):
        say(line)
    if "page" in more:
        say(f"{more['page']}: {', '.join(more['analyses'])}")
    if "netron" in more:
        say(f"{more['netron']}: open it in Netron, with the model open")
