"""Operators spelled in standard ONNX when a model is loaded: the table of spellings, and the pass that uses it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import onnx

from onnxpath.errors import OnnxPathError, UnsupportedOperator
from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Graph, Node, Tensor, is_float, replace_uses
from onnxpath.graph.subgraphs import scopes
from onnxpath.shown import plural

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
    expanded = []
    outer = Emitter(graph)
    for body in list(scopes(graph.body)):
        op = outer if body is graph.body else outer.inside(body)
        for node in list(body.nodes):
            if (node.domain or "", node.op) not in EXPANSIONS:
                _carry_on(op, node)
                continue
            if any(_unknown(t) for t in node.inputs):
                graph.body.toposort()
                infer_shapes(graph)
            with op.serving(node.name, EXPANDED):
                _replace(op, node)
            expanded.append(node.op)
    graph.body.toposort()
    if expanded:
        nodes = f"{len(expanded)} {plural('node', len(expanded))}"
        graph.notes.append(f"{nodes} expanded to standard ONNX: {', '.join(sorted(set(expanded)))}")
    graph.cleanup()


def _unknown(tensor: Tensor) -> bool:
    """True where a spelling may need to know more: the rank of any input, the last size of floats."""
    if not tensor.name or (tensor.shape is not None and tensor.dtype is not None and not is_float(tensor)):
        return False
    return tensor.shape is None or tensor.dtype is None or not all(isinstance(d, int) for d in tensor.shape[-1:])


def _carry_on(op: Emitter, node: Node) -> None:
    """Infer what a node makes, whose inputs may have had no shape until they were spelled out.

    Inferring the whole graph before every spelling would cost the square of its size; the whole is inferred where this
    is not enough, and in the end.
    """
    standard = node.domain in (None, "", "ai.onnx") and onnx.defs.has(node.op, op.graph.opset, "")
    if (
        standard
        and any(t.shape is None for t in node.outputs)
        and not any(t.shape is None for t in node.inputs if t.name)
    ):
        with suppress(OnnxPathError):
            op.infer(node)


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
        take_over(op, outputs[index], results[index])


def take_over(op: Emitter, old: Tensor, new: Tensor) -> None:
    """Let `new` stand for `old`, which nothing makes any more, under its name."""
    fresh = op.stand_in(new) if not op.made(new) else new
    replace_uses(old, fresh)
    op.graph.outputs[:] = [fresh if t is old else t for t in op.graph.outputs]
    fresh.name = old.name
