"""`onnxpath report`: a page, its data and the raw arrays, for a folder of inputs."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from onnxpath_cli.job import go_through, leave, prepare
from onnxpath_cli.options import (
    ClassNames,
    Composite,
    Inputs,
    Json,
    MethodOptions,
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
    Steps,
    Target,
    TokenizerFile,
    Wrt,
)
from onnxpath_cli.output import print_json, say

if TYPE_CHECKING:
    from onnxpath.report.prepare import Job

DEFAULT_METHODS = ["pathway-gradient", "gradient"]


def report(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    method: Annotated[
        list[str] | None,
        Option("--method", help=f"Attribution method; repeat for more. Default {' and '.join(DEFAULT_METHODS)}."),
    ] = None,
    selector: Selector = "neuron-mct",
    sparsity: Sparsity = 0.9,
    scope: Scope = "global",
    seed: Seed = 0,
    steps: Steps = 50,
    option: MethodOptions = None,
    composite: Composite = None,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    tokenizer: TokenizerFile = None,
    wrt: Wrt = None,
    classes: ClassNames = None,
    title: Annotated[str | None, Option("--title", help="Title of the page.")] = None,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Explain every input and write report.html, report.json and arrays/.

    The page holds all of its pictures and needs no network. Inputs that fail are listed on it.

    \b
    Example:
      onnxpath report model.onnx images/ --preprocess preprocess.toml \\
          --classes classes.txt -o report/
    """
    import onnxpath
    from onnxpath.batch.explain import explain_items, method_options
    from onnxpath.batch.fit import check_attribution
    from onnxpath.report import build, data
    from onnxpath.report.followed import conserved
    from onnxpath.report.write import DATA, write_report

    clock = time.perf_counter()
    methods = list(dict.fromkeys(method or DEFAULT_METHODS))
    job = prepare(
        model,
        inputs,
        out,
        preprocess,
        providers,
        classes,
        output,
        rules,
        options=lambda: method_options(methods, selector, sparsity, scope, steps, seed, composite, option or ()),
        fits=lambda loaded: check_attribution(loaded, methods, target, output),
        tokenizer=tokenizer,
        wrt=wrt,
    )
    channel_axis = build.map_channel_axis(job.model, job.preprocess)
    loaded = time.perf_counter()
    results = explain_items(job.model, job.items, job.preprocess, job.options, target, output)
    rows, failures = go_through(
        job, results, "report", lambda result: build.finished_item(out, result, job.classes, channel_axis)
    )
    if not rows:
        leave(job, failures)
    # Only now: whether rows go together is found out on the first batch.
    facts = build.model_facts(job.model, output)
    seconds = {"load": loaded - clock, "run": time.perf_counter() - loaded}
    made = data.Report(
        onnxpath=onnxpath.__version__,
        title=title or f"{facts.path} on {len(job.items)} inputs",
        model=facts,
        run=_run_facts(job, seconds),
        items=rows,
        failures=[data.Failure(f.item.name, f.error) for f in failures],
        warnings=job.warnings,
        conservation=conserved(job.model, job.items, job.preprocess, job.options, target, output),
    )
    page = write_report(out, made)
    if json:
        print_json({"page": page, "data": out / DATA, "inputs": len(rows), "failed": len(failures)})
    else:
        say(f"{page}: {len(rows)} inputs" + (f", {len(failures)} failed" if failures else ""))
    leave(job, failures)


def _run_facts(job: Job, seconds: dict[str, float]) -> Any:
    from onnxpath.report import build, data

    pathway = job.options.get("pathway-gradient", {})
    return data.RunFacts(
        provider=job.model.provider,
        versions=build.versions(),
        seed=pathway.get("seed"),
        preprocess=asdict(job.preprocess),
        selector=pathway.get("selector"),
        # A rule is in the command, and what it found with each pathway.
        sparsity=sparsity if isinstance(sparsity := pathway.get("sparsity"), float) else None,
        scope=pathway.get("scope"),
        methods=list(job.options),
        command=shlex.join(["onnxpath", *sys.argv[1:]]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )
