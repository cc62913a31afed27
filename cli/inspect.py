"""`onnxpath inspect`: what a model is made of, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from onnxpath_cli.options import Json, ModelPath, Output, Providers
from onnxpath_cli.output import counted, few, print_json, say

if TYPE_CHECKING:
    from onnxpath.runtime.model import Model

MOST_LINES = 30


def inspect(
    model: ModelPath,
    placement: Annotated[
        bool, Option("--placement", help="Also say which provider runs which node, with CPU fallbacks and copies.")
    ] = False,
    tensors: Annotated[bool, Option("--tensors", help="Also list every tensor by name, dtype and shape.")] = False,
    output: Output = None,
    rules: Annotated[str, Option("--rules", help="Whose coverage: `onnxpath list rules`.")] = "gradient",
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Show inputs, outputs, neuron layers and the coverage of a rule set.

    \b
    Example:
      onnxpath inspect model.onnx --placement
    """
    from onnxpath.rules.variants import RULE_SETS
    from onnxpath.runtime.model import load

    loaded = load(model, providers, rules=rules if rules in RULE_SETS else "gradient")
    facts = _facts(loaded, output, rules)
    if tensors:
        facts["tensors"] = _tensors(loaded)
    if placement:
        facts["placement"] = _placement(loaded)
    if json:
        print_json(facts)
    else:
        for line in [*_model_lines(facts), *_layer_lines(facts), *_coverage_lines(facts), *_asked_lines(facts)]:
            say(line)


def _facts(model: Model, output: str | None, rules: str) -> dict[str, Any]:
    layers, left_out = model.neurons(output)
    place = model.readout(output)
    coverage = model.coverage(rules, output)
    return {
        "model": model.path,
        "sha256": model.sha256,
        "provider": model.provider,
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
        "rules": rules,
        "coverage": {kind: {op: len(names) for op, names in ops.items()} for kind, ops in coverage.items()},
        "missing": coverage["missing"],
        "notes": model.graph.notes,
    }


def _tensors(model: Model) -> list[dict[str, Any]]:
    from onnxpath.graph.ir import numpy_dtype, onnx_dtype

    return [
        {
            "name": name,
            "dtype": numpy_dtype(tensor).name if onnx_dtype(tensor) else None,
            "shape": list(tensor.shape) if tensor.shape is not None else None,
        }
        for name, tensor in model.graph.tensors().items()
    ]


def _placement(model: Model) -> dict[str, Any]:
    from onnxpath.backward.gradient_graph import gradient_graph
    from onnxpath.errors import ModelError, UnsupportedOperator
    from onnxpath.runtime.placement import placement

    programs = {
        "model": model.graph.to_model,
        "gradient": lambda: gradient_graph(model, provider=model.provider),
    }
    table: dict[str, Any] = {}
    for name, build in programs.items():
        try:
            made = build()
        except (ModelError, UnsupportedOperator):
            continue  # the coverage and the notes above name what is missing
        found = placement(made, model.provider)
        nodes = {provider: len(names) for provider, names in found.providers.items()}
        table[name] = {"nodes": nodes, "fallbacks": found.fallbacks, "copies": found.copies}
    return table


def _shape(shape: Any) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "scalar"


def _model_lines(facts: dict[str, Any]) -> list[str]:
    size = counted(facts["parameters"], "parameter")
    lines = [f"{facts['model']}: opset {facts['opset']}, {counted(facts['nodes'], 'node')}, {size}"]
    for kind, infos in (("input", facts["inputs"]), ("output", facts["outputs"])):
        lines += [f"  {kind:<7}{info['name']}: {info['dtype']} {_shape(info['shape'])}" for info in infos]
    place = facts["explained"]
    skipped = f" ({place['skipped']} at the end is skipped)" if place["skipped"] else ""
    return [*lines, f"  explained: entries of '{place['tensor']}'{skipped}"]


def _layer_lines(facts: dict[str, Any]) -> list[str]:
    layers = facts["neuron_layers"]
    known = [layer["neurons"] for layer in layers if layer["neurons"] is not None]
    total = f", {counted(sum(known), 'neuron')} in a row" if len(known) == len(layers) else ""
    lines = [f"  {layer['name']}: {layer['op']} {_shape(layer['shape'])}" for layer in layers]
    left_out = [f"  left out: {name}: {reason}" for name, reason in facts["left_out"].items()]
    return [f"{counted(len(layers), 'neuron layer')}{total}", *_first(lines), *_first(left_out)]


def _coverage_lines(facts: dict[str, Any]) -> list[str]:
    lines = [f"rules '{facts['rules']}' between the inputs and the explained output:"]
    for kind, operators in facts["coverage"].items():
        lines.append(f"  {kind:<17}" + (", ".join(f"{op} ({count})" for op, count in operators.items()) or "none"))
    lines += [f"  no rule for {operator}: {few(names, 5)}" for operator, names in facts["missing"].items()]
    return lines + [f"note: {note}" for note in facts["notes"]]


def _asked_lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    if "tensors" in facts:
        lines.append(f"{counted(len(facts['tensors']), 'tensor')}:")
    for tensor in facts.get("tensors", []):
        shape = _shape(tensor["shape"]) if tensor["shape"] is not None else "of unknown rank"
        lines.append(f"  {tensor['name']}: {tensor['dtype'] or 'unknown dtype'} {shape}")
    for program, found in facts.get("placement", {}).items():
        nodes = ", ".join(f"{provider} {counted(count, 'node')}" for provider, count in found["nodes"].items())
        lines.append(f"placement of the {program}: {nodes}")
        if facts["provider"] != "cpu":
            lines.append(f"  on the CPU though CUDA was asked for: {few(found['fallbacks'])}")
            lines.append(f"  copied between providers: {few(found['copies'])}")
    return lines


def _first(lines: list[str]) -> list[str]:
    left = len(lines) - MOST_LINES
    return lines if left <= 0 else [*lines[:MOST_LINES], f"  and {left} more, which --json lists"]
