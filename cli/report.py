"""`onnxpath report`: a page, its data and the raw arrays, for a folder of inputs."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from onnxpath_cli.config import Config
from onnxpath_cli.job import command, end
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
    methods,
    several,
)
from onnxpath_cli.output import counted, print_json, say, watching

DEFAULT_METHODS = ["pathway-gradient", "gradient"]


def report(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    method: Annotated[list[str] | None, methods(DEFAULT_METHODS)] = None,
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
    title: Annotated[str | None, Option("--title", help="Title of the page.")] = None,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    precision: Precision = "float32",
    threads: Annotated[
        int | None,
        Option("--threads", min=1, help="Of one operator on the CPU; default one per core, shared among workers."),
    ] = None,
    unit: Annotated[
        int | None,
        Option("--unit", min=1, help="Inputs that are finished together; stopped runs lose no more. Default up to 64."),
    ] = None,
    engine: Annotated[
        str, Option("--engine", help="Who explains: `onnxpath list engines`. ray needs onnxpath[ray].")
    ] = "local",
    workers: Annotated[
        int | None,
        Option(
            "--workers",
            min=1,
            help="Processes that explain at once; default one, or one per GPU; of ray, what it has room for.",
        ),
    ] = None,
    address: Annotated[
        str | None, Option("--address", help="Ray cluster (`auto`, host:port); default one of this machine alone.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Explain every input and write report.html, report.json and arrays/.

    The page holds all of its pictures and needs no network. Inputs that fail are listed on it. The same command goes on
    with a run that was stopped.

    \b
    Example:
      onnxpath report model.onnx images/ --preprocess preprocess.toml \\
          --classes classes.txt --workers 2 -o report/
    """
    from onnxpath.report.job.run import report as write_report

    with watching():
        made = write_report(
            model,
            inputs,
            out,
            methods=several(method, DEFAULT_METHODS),
            selector=selector,
            sparsity=sparsity,
            scope=scope,
            seed=seed,
            steps=steps,
            options=option or (),
            composite=composite,
            target=target,
            output=output,
            preprocess=preprocess,
            tokenizer=tokenizer,
            wrt=wrt,
            classes=classes,
            title=title,
            rules=rules,
            providers=providers,
            precision=precision,
            threads=threads,
            unit=unit,
            engine=engine,
            workers=workers,
            address=address,
            command=command(),
        )
    if made.page and json:
        print_json({"page": made.page, "data": made.data, "inputs": made.explained, "failed": len(made.failures)})
    elif made.page:
        say(
            f"{made.page}: {counted(made.explained, 'input')}"
            + (f", {len(made.failures)} failed" if made.failures else "")
        )
    end(made.warnings, [(failure.name, failure.error) for failure in made.failures], made.inputs)
