"""`onnxpath gradient`: write a model's gradient graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from onnxpath_cli.options import Json, ModelPath, Rules
from onnxpath_cli.output import counted, few, print_json, say


def gradient(
    model: ModelPath,
    out: Annotated[Path, Option("-o", "--out", help="File for the gradient graph.", show_default=False)],
    wrt: Annotated[
        list[str] | None,
        Option(
            "--wrt",
            help="Tensor to differentiate by (repeatable). Default every float input, or integers' embedding or cast.",
        ),
    ] = None,
    of: Annotated[
        list[str] | None,
        Option("--of", help="Output to differentiate; repeat for more. Default every float output."),
    ] = None,
    prefix: Annotated[str, Option("--prefix", help="Begins the names of the new inputs and outputs.")] = "grad_",
    rules: Rules = "gradient",
    json: Json = False,
) -> None:
    """Write the model with its gradient: one more input per output, one more output per input.

    grad_OUTPUT takes the cotangent of OUTPUT, grad_INPUT gives the vector-Jacobian product. The result is plain
    ONNX: it runs wherever the model runs, and needs no onnxpath there.

    \b
    Example:
      onnxpath gradient model.onnx -o gradient.onnx
    """
    from onnxpath.backward.gradient_graph import gradient_graph
    from onnxpath.errors import all_of
    from onnxpath.graph.load import save_model
    from onnxpath.report.write import check_file

    made, _ = all_of(
        lambda: gradient_graph(model, wrt or None, of or None, prefix, rules=rules),
        lambda: check_file(out, model),
    )
    save_model(made, out)
    inputs, outputs = [i.name for i in made.graph.input], [o.name for o in made.graph.output]
    if json:
        print_json({"file": out, "nodes": len(made.graph.node), "inputs": inputs, "outputs": outputs, "rules": rules})
    else:
        say(f"{out}: {counted(len(made.graph.node), 'node')}, rules '{rules}'")
        say(f"  inputs:  {few(inputs)}")
        say(f"  outputs: {few(outputs)}")
