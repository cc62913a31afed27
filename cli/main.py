"""The program `onnxpath`: one verb per file. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

from typing import Annotated

import typer

from onnxpath_cli import activations, explain, gradient, inspect, listing, pathway, report

app = typer.Typer(
    name="onnxpath",
    help="Explain .onnx models: critical pathways, attribution maps, gradient graphs, batch reports.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("inspect")(inspect.inspect)
app.command("activations")(activations.activations)
app.command("gradient")(gradient.gradient)
app.command("explain")(explain.explain)
app.command("pathway")(pathway.pathway)
app.command("report")(report.report)
app.command("list")(listing.listing)


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
