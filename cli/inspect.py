"""`onnxpath inspect`: what a model is made of, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from onnxpath_cli.common import Json, ModelPath, OutputName, Providers, errors_as_text, load_model, print_json, say

if TYPE_CHECKING:
    from onnxpath.runtime.model import Model


@errors_as_text
def inspect(
    model: ModelPath,
    placement: Annotated[
        bool, typer.Option("--placement", help="Also say which provider runs which node, with CPU fallbacks and copies.")
    ] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="Also list every tensor by name, dtype and shape.")] = False,
    output: OutputName = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Show inputs, outputs, neuron layers and the coverage of gradient rules.

    Example: onnxpath inspect model.onnx --placement
    """
    loaded = load_model(model, providers)
    facts = _facts(loaded, output)
    if tensors:
        facts["tensors"] = _tensors(loaded)
    if placement:
        facts["placement"] = _placement(loaded)
    if json:
        print_json(facts)
    else:
        _print(facts)


def _facts(model: Model, output: str | None) -> dict[str, Any]:
    layers, left_out = model.neurons(output)
    place = model.readout(output)
    coverage = model.coverage("gradient", output)
    return {
        "model": str(model.path),
        "sha256": model.sha256,
        "opset": model.opset,
        "working_opset": model.graph.opset,
        "producer": model.graph.producer,
        "parameters": model.parameters,
        "nodes": len(model.graph.nodes),
        "inputs": [vars(i) for i in model.inputs],
        "outputs": [vars(o) for o in model.outputs],
        "explained": {"tensor": place.name, "output": place.output, "skipped": place.skipped},
        "neuron_layers": [{"name": n.name, "op": n.op, "neurons": n.neurons, "shape": n.shape} for n in layers],
        "left_out": left_out,
        "coverage": {kind: {op: len(names) for op, names in ops.items()} for kind, ops in coverage.items()},
        "missing": coverage["missing"],
        "notes": model.graph.notes,
    }


def _tensors(model: Model) -> list[dict[str, Any]]:
    from onnxpath.graph.ir import onnx_dtype

    return [
        {"name": name, "dtype": str(t.dtype) if onnx_dtype(t) else None, "shape": list(t.shape) if t.shape is not None else None}
        for name, t in model.graph.tensors().items()
    ]


def _placement(model: Model) -> dict[str, Any]:
    from onnxpath.backward.gradient_graph import gradient_graph
    from onnxpath.runtime.placement import placement

    programs = {"model": model.graph.to_model(), "gradient": gradient_graph(model.graph, provider=model.provider)}
    table = {}
    for name, program in programs.items():
        found = placement(program, model.provider)
        table[name] = {
            "nodes": {provider: len(nodes) for provider, nodes in found.providers.items()},
            "fallbacks": found.fallbacks,
            "copies": found.copies,
        }
    return table


def _shape(shape: Any) -> str:
    return "×".join("?" if d is None else str(d) for d in shape)


def _print(facts: dict[str, Any]) -> None:
    say(f"{facts['model']}: opset {facts['opset']}, {facts['nodes']} nodes, {facts['parameters']:,} parameters")
    for kind in ("inputs", "outputs"):
        for info in facts[kind]:
            say(f"  {kind[:-1]:<7}{info['name']}: {info['dtype']} {_shape(info['shape'])}")
    place = facts["explained"]
    skipped = f" ({place['skipped']} at the end is skipped)" if place["skipped"] else ""
    say(f"  explained: entries of '{place['tensor']}'{skipped}")
    total = sum(n["neurons"] or 0 for n in facts["neuron_layers"])
    say(f"{len(facts['neuron_layers'])} neuron layers, {total:,} neurons in a row:")
    for layer in facts["neuron_layers"]:
        say(f"  {layer['name']}: {layer['op']} {_shape(layer['shape'])}")
    for name, reason in facts["left_out"].items():
        say(f"  left out: {name}: {reason}")
    say("gradient rules between the inputs and the explained output:")
    for kind, operators in facts["coverage"].items():
        listed = ", ".join(f"{op} ({count})" for op, count in operators.items())
        say(f"  {kind:<8}{listed or 'none'}")
    for operator, names in facts["missing"].items():
        say(f"  missing {operator}: {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else ""))
    for note in facts["notes"]:
        say(f"note: {note}")
    for tensor in facts.get("tensors", []):
        say(f"  {tensor['name']}: {tensor['dtype']} {_shape(tensor['shape'] or ['unknown rank'])}")
    for program, found in facts.get("placement", {}).items():
        say(f"placement of the {program}: " + ", ".join(f"{p} {n} nodes" for p, n in found["nodes"].items()))
        say(f"  on the CPU though CUDA was asked for: {', '.join(found['fallbacks']) or 'none'}")
        say(f"  tensors copied between providers: {', '.join(found['copies']) or 'none'}")
