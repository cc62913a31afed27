"""Operators spelled in standard ONNX when a model is loaded: the table of spellings, and the pass that uses it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Graph, Node, Tensor, replace_uses, scopes

Spelling: TypeAlias = Callable[..., Any]
"""f(op, *inputs, *, attributes with defaults) -> the operator's outputs, one tensor or a tuple."""

EXPANDED = "expanded"
"""The role of the nodes that spell an operator out, in their metadata."""

EXPANSIONS: dict[tuple[str, str], Spelling] = {}


def expansion(domain: str, *operators: str) -> Callable[[Spelling], Spelling]:
    """Decorator that enters the spelling of operators of a domain."""

    def enter(function: Spelling) -> Spelling:
        for operator in operators:
            EXPANSIONS[domain, operator] = function
        return function

    return enter


def expand_operators(graph: Graph) -> None:
    """Replace every node that the table spells, in place; tensors keep their names."""
    if not any((n.domain or "", n.op) in EXPANSIONS for body in scopes(graph.body) for n in body.nodes):
        return
    graph.cleanup()  # of what lifted constants leave: nodes without an output cannot be exported
    bodies = [(body, n) for body in scopes(graph.body) for n in body.nodes if (n.domain or "", n.op) in EXPANSIONS]
    nodes = [n for _, n in bodies]
    outer = Emitter(graph)
    for body, node in bodies:
        op = outer if body is graph.body else outer.inside(body)
        # What comes before may have had no shapes until it was spelled out.
        if any(t.name and (t.shape is None or t.dtype is None) for t in node.inputs):
            graph.body.toposort()
            infer_shapes(graph)
        with op.serving(node.name, EXPANDED):
            _replace(op, node)
    graph.body.toposort()
    if nodes:
        graph.notes.append(
            f"{len(nodes)} nodes were expanded to standard ONNX: {', '.join(sorted({n.op for n in nodes}))}"
        )
    graph.cleanup()


def _replace(op: Emitter, node: Node) -> None:
    spelling = EXPANSIONS[node.domain or "", node.op]
    parameters = inspect.signature(spelling).parameters.values()
    any_name = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    known = {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    if not any_name and (unread := set(node.attrs) - known):
        raise UnsupportedOperator(
            f"node '{node.name}' ({node.domain}::{node.op}) has the attribute {sorted(unread)}, which is not "
            "spelled out; export the model to standard ai.onnx operators"
        )
    inputs = [t if t.name else None for t in node.inputs]
    made = spelling(op, *inputs, **node.attrs)
    outputs = list(node.outputs)
    results = dict(enumerate(made if isinstance(made, tuple) else (made,)))
    used = [i for i, t in enumerate(outputs) if t.name and (t.outputs or t in op.graph.outputs)]
    if lost := [outputs[i].name for i in used if results.get(i) is None]:
        raise UnsupportedOperator(
            f"node '{node.name}' ({node.domain}::{node.op}) has the output {', '.join(lost)}, which is not spelled "
            "out; export the model to standard ai.onnx operators"
        )
    node.outputs.clear()
    node.inputs.clear()
    op.graph.nodes.remove(node)
    for index in used:
        _take_over(op, outputs[index], results[index])


def _take_over(op: Emitter, old: Tensor, new: Tensor) -> None:
    fresh = op.stand_in(new) if not op.made(new) else new
    replace_uses(old, fresh)
    op.graph.outputs[:] = [fresh if t is old else t for t in op.graph.outputs]
    fresh.name = old.name
