"""Sequences of a known length, as exporters write torch.split and torch.stack: replaced by their elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onnxpath.graph.emit import Emitter
from onnxpath.graph.expand import take_over
from onnxpath.graph.ir import Constant, Graph, Node, Tensor
from onnxpath.graph.subgraphs import scopes


def resolve_sequences(graph: Graph) -> None:
    """Replace what reads a sequence by what reads its elements, in place, wherever those are known."""
    if not any(node.op in READERS for body in scopes(graph.body) for node in body.nodes):
        return
    outer = Emitter(graph)
    for body in list(scopes(graph.body)):
        readers = [node for node in body.nodes if node.op in READERS]
        op = outer if body is graph.body or not readers else outer.inside(body)
        for node in readers:
            elements = elements_of(op, node.inputs[0])
            with op.serving(node.name, "resolved"):
                made = None if elements is None else READERS[node.op](op, node, elements)
            if made is not None:
                output = node.outputs[0]
                node.outputs.clear()
                node.inputs.clear()
                body.nodes.remove(node)
                take_over(op, output, made)
    graph.body.toposort()


def elements_of(op: Emitter, sequence: Tensor) -> list[Tensor] | None:
    """Return the elements of a sequence, None where they are not known."""
    node = sequence.inputs[0] if sequence.inputs else None
    if node is None:
        return None
    if node.op == "SequenceConstruct":
        return list(node.inputs)
    if node.op == "SequenceEmpty":
        return []
    if node.op == "SequenceInsert":
        before = elements_of(op, node.inputs[0])
        place = _number(node.inputs[2]) if len(node.inputs) > 2 and before is not None else len(before or ())
        if before is None or place is None:
            return None
        place += len(before) * (place < 0)
        return [*before[:place], node.inputs[1], *before[place:]]
    return _split(op, node) if node.op == "SplitToSequence" else None


def _split(op: Emitter, node: Node) -> list[Tensor] | None:
    x, axis = node.inputs[0], node.attrs.get("axis", 0)
    size = x.shape[axis] if x.shape is not None else None
    given = node.inputs[1] if len(node.inputs) > 1 else None
    step = 1 if given is None else _number(given)
    if isinstance(given, Constant) and np.ndim(given.values):
        sizes = [int(s) for s in given.values]
    elif isinstance(size, int) and step:
        sizes = [min(step, size - start) for start in range(0, size, step)]
    else:
        return None
    with op.serving(node.name, "resolved"):
        made: Any = op.Split(x, sizes, axis=axis, outputs=len(sizes)) if len(sizes) > 1 else (op.stand_in(x),)
        whole = given is not None or node.attrs.get("keepdims", 1)
        return list(made) if whole else [op.Squeeze(t, [axis]) for t in made]


def _number(tensor: Tensor) -> int | None:
    return int(tensor.values) if isinstance(tensor, Constant) and np.ndim(tensor.values) == 0 else None


def _at(op: Emitter, node: Node, elements: list[Tensor]) -> Tensor | None:
    place = _number(node.inputs[1])
    return None if place is None or not -len(elements) <= place < len(elements) else elements[place]


def _length(op: Emitter, node: Node, elements: list[Tensor]) -> Tensor:
    return op.const(len(elements))


def _concat(op: Emitter, node: Node, elements: list[Tensor]) -> Tensor | None:
    if not elements:
        return None
    axis = node.attrs["axis"]
    if node.attrs.get("new_axis", 0):
        elements = [op.Unsqueeze(t, [axis]) for t in elements]
    made: Tensor = op.Concat(*elements, axis=axis)
    return made


READERS: dict[str, Callable[[Emitter, Node, list[Tensor]], Tensor | None]] = {
    "SequenceAt": _at,
    "SequenceLength": _length,
    "ConcatFromSequence": _concat,
}
