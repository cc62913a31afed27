"""`onnxpath gradient`: write a model's gradient graph."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnxpath_cli.common import Json, ModelPath, errors_as_text, print_json, say


@errors_as_text
def gradient(
    model: ModelPath,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the gradient graph goes.", show_default=False)],
    wrt: Annotated[
        list[str] | None, typer.Option("--wrt", help="Tensor to differentiate by; repeat for more. Default every float input.")
    ] = None,
    of: Annotated[
        list[str] | None, typer.Option("--of", help="Output to differentiate; repeat for more. Default every float output.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Begins the names of the new inputs and outputs.")] = "grad_",
    json: Json = False,
) -> None:
    """Write the model with an input grad_<output> and an output grad_<input>: its vector-Jacobian product, plain ONNX.

    Example: onnxpath gradient model.onnx -o gradient.onnx
    """
    from onnxpath.backward.gradient_graph import gradient_graph
    from onnxpath.graph.load import save_model

    made = gradient_graph(model, wrt or None, of or None, prefix)
    save_model(made, out)
    facts = {
        "file": str(out),
        "nodes": len(made.graph.node),
        "inputs": [i.name for i in made.graph.input],
        "outputs": [o.name for o in made.graph.output],
    }
    if json:
        print_json(facts)
    else:
        say(f"{out}: {facts['nodes']} nodes")
        say(f"  inputs:  {', '.join(facts['inputs'])}")
        say(f"  outputs: {', '.join(facts['outputs'])}")
