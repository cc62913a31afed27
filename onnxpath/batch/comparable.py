"""Whether two models can be compared: their rules, inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxpath.backward.blocked import blocking
from onnxpath.errors import InputError
from onnxpath.graph.ir import carries
from onnxpath.graph.query import between
from onnxpath.rules.variants import rule_set
from onnxpath.runtime.feeds import TensorInfo
from onnxpath.runtime.model import Model, load


def fitting(source: Any, providers: str = "auto", rules: str | None = None, wrt: str | None = None) -> Model:
    """Load a model with rules that lead through it: those given, else gradient, else the estimate that it needs.

    wrt: the tensor that maps are of, None for the default.
    """
    asked = [wrt] if wrt else None
    if rules is not None:
        return load(source, providers, rules=rules, wrt=asked)
    model = load(source, providers, wrt=asked)
    roots, ends = ([t.name for t in tensors if carries(t)] for tensors in (model.graph.inputs, model.graph.outputs))
    needed = list(blocking(model.rules, between(model.graph, roots, ends)))
    if not needed:
        return model
    if isinstance(source, Model):
        return source.derived(rules=rule_set(needed[0]))
    return load(source, providers, rules=needed[0], wrt=asked)


def is_quantised(model: Model) -> bool:
    """Return whether a model holds nodes that quantise activations."""
    return any(node.op == "QuantizeLinear" for node in model.graph.nodes)


def match_inputs(one: Model, other: Model) -> dict[str, str]:
    """Return name in the first -> name in the other: by name where all names are shared, else in order.

    Raises InputError where numbers, kinds or sizes of the inputs differ.
    """
    names = {i.name for i in other.inputs}
    by_name = {i.name for i in one.inputs} == names
    partners = {i.name: i for i in other.inputs}
    pairs = [(a, partners[a.name] if by_name else b) for a, b in zip(one.inputs, other.inputs, strict=False)]
    if len(one.inputs) != len(other.inputs) or not all(_fit(a, b) for a, b in pairs):
        raise InputError(
            f"the models take different inputs, so that they cannot be run on the same data: {_spell(one.inputs)} "
            f"against {_spell(other.inputs)}; compare models of one task that take the same arrays"
        )
    return {a.name: b.name for a, b in pairs}


def _fit(a: TensorInfo, b: TensorInfo) -> bool:
    sizes = zip(a.shape[1:], b.shape[1:], strict=False)
    same = all(m == n or not isinstance(m, int) or not isinstance(n, int) for m, n in sizes)
    return len(a.shape) == len(b.shape) and same and ("float" in a.dtype) == ("float" in b.dtype)


def check_outputs(one: Model, other: Model, output: str | None) -> None:
    """Raise InputError where the rows of the outputs are known to have different sizes."""
    shapes = [m.graph.tensor(m.readout(output).name).shape for m in (one, other)]
    sizes = [[d for d in (shape or [])[1:] if d != 1] for shape in shapes]
    known = all(isinstance(d, int) for size in sizes for d in size) and all(shapes)
    if known and sizes[0] != sizes[1]:
        raise InputError(
            f"the models have different outputs: rows of {_row(sizes[0])} against {_row(sizes[1])} entries; "
            "compare models of one task, or choose --output"
        )


def _row(sizes: Sequence[Any]) -> str:
    return "×".join(map(str, sizes)) or "1"


def _spell(inputs: Sequence[TensorInfo]) -> str:
    shapes = ("×".join("N" if not isinstance(d, int) else str(d) for d in i.shape) for i in inputs)
    return ", ".join(f"'{i.name}' {shape} {i.dtype}" for i, shape in zip(inputs, shapes, strict=True))
