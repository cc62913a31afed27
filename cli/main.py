"""The program `onnxpath`: one verb per file. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

from typing import Annotated

import typer

from onnxpath_cli import (
    activations,
    compare,
    compile,
    decode,
    evaluate,
    explain,
    gradient,
    inspect,
    listing,
    pathway,
    radius,
    report,
    roar,
)
from onnxpath_cli.errors import errors_as_text

VERBS = {
    "inspect": inspect.inspect,
    "activations": activations.activations,
    "gradient": gradient.gradient,
    "explain": explain.explain,
    "pathway": pathway.pathway,
    "radius": radius.radius,
    "decode": decode.decode,
    "report": report.report,
    "evaluate": evaluate.evaluate,
    "roar": roar.roar,
    "compile": compile.compile,
    "compare": compare.compare,
    "list": listing.listing,
}

app = typer.Typer(
    name="onnxpath",
    help="Explain .onnx models: critical pathways, attribution maps, gradient graphs, batch reports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _name, _verb in VERBS.items():
    app.command(_name)(errors_as_text(_verb))


def _version(value: bool) -> None:
    if value:
        import onnxpath

        typer.echo(f"onnxpath {onnxpath.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Explain .onnx models: critical pathways, attribution maps, gradient graphs, batch reports."""
