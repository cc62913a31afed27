"""The reverse walk: one pass over the nodes between `wrt` and the seeds, with any rule set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onnxpath.backward.blocked import require_open
from onnxpath.backward.unbroadcast import unbroadcast
from onnxpath.errors import OnnxPathError, UnsupportedOperator
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, Node, Tensor, carries, same_shape, static_shape
from onnxpath.graph.query import between
from onnxpath.graph.subgraphs import captured
from onnxpath.rules.ruleset import ZERO, Rule, RuleSet


@dataclass(frozen=True)
class Step:
    """One node of a walk: the cotangents of its outputs, and what it gave to which inputs."""

    node: Node
    given: list[Tensor | None]
    passed: list[tuple[Tensor, Tensor]]


def backward(
    op: Emitter,
    rules: RuleSet,
    seeds: Mapping[str, Tensor],
    wrt: Iterable[str],
    role: str = "grad",
    nodes: Sequence[Node] | None = None,
    steps: list[Step] | None = None,
) -> dict[str, Tensor]:
    """Propagate cotangents from `seeds` to `wrt` through the emitter's graph.

    seeds: tensor name -> its cotangent; wrt: names of the tensors whose cotangents are wanted; nodes: what to walk, in
    topological order, default the whole graph; steps: what each node got and gave is appended here.
    Returns the cotangent of each name in `wrt` that a float path connects to a seed; the others are left out.
    Raises UnsupportedOperator, with every node that lacks a rule, before a node is made; ModelError where quantisation
    ends every path.
    """
    wrt = list(wrt)
    path = active_nodes(op.graph, rules, seeds, wrt, nodes)
    wanted = set(wrt) | {t.name for node in path for t in node.outputs if t.name}
    cotangents: dict[str, list[Tensor]] = {name: [seed] for name, seed in seeds.items()}
    for node in reversed(path):
        dy = [_total(op, cotangents, t, role) for t in node.outputs]
        if all(d is None for d in dy):
            continue
        with op.serving(node.name, role):
            pairs = _apply(op, rules, node, dy, wanted)
        if steps is not None:
            steps.append(Step(node, dy, pairs))
        for tensor, grad in pairs:
            cotangents.setdefault(tensor.name, []).append(grad)
    tensors = op.graph.tensors()
    totals = {name: _total(op, cotangents, tensors[name], role) for name in wrt if name in tensors}
    return {name: total for name, total in totals.items() if total is not None}


def active_nodes(
    graph: Graph, rules: RuleSet, seeds: Iterable[str], wrt: Iterable[str], nodes: Sequence[Node] | None = None
) -> list[Node]:
    """Return the nodes that cotangents pass through, in topological order; raise for those without a rule."""
    seeds, wrt = list(seeds), list(wrt)
    among = graph.nodes if nodes is None else nodes
    require_open(graph, rules, wrt, seeds, among)
    path = between(graph, wrt, seeds, rules.zeros(among), nodes)
    missing = rules.coverage(path, wrt)["missing"]
    if missing:
        raise rules.unsupported(missing, graph.opset, ", ".join(wrt), ", ".join(seeds))
    return path


def _total(op: Emitter, cotangents: Mapping[str, list[Tensor]], tensor: Tensor, role: str) -> Tensor | None:
    parts = cotangents.get(tensor.name)
    if not parts:
        return None
    with op.serving(tensor.name, role):
        total = op.sum(parts)
    if isinstance(cotangents, dict):
        cotangents[tensor.name] = [total]
    if tensor.shape is not None and static_shape(total) is None and not same_shape(total, tensor):
        # What was not made here may stand elsewhere for a tensor of another shape: for what another branch makes.
        total = total if op.made(total) else op.stand_in(total)
        total.shape = list(tensor.shape)
    return total


def _apply(
    op: Emitter, rules: RuleSet, node: Node, dy: list[Tensor | None], wanted: set[str]
) -> list[tuple[Tensor, Tensor]]:
    rule = rules.rule_of(node)
    assert rule is not None and rule.function is not None, "active_nodes has checked this"
    # What the node's subgraphs read from outside comes after its inputs, in the order of names.
    inputs = [*node.inputs, *captured(node).values()]
    op.wanted = [bool(t.name) and t.name in wanted and carries(t) for t in inputs]
    op.given = [d is not None for d in dy]
    op.walk = partial(backward, rules=rules, role=op.role)
    grads = _through_expansion(op, rules, rule, node, dy) if rule.expands else _call(op, rule, node, dy)
    pairs = []
    for index, tensor in enumerate(inputs):
        if not op.wanted[index]:
            continue
        grad = grads[index] if index < len(grads) else None
        if grad is None:
            raise OnnxPathError(
                f"the {rules.name} rule of {node.op} returns nothing for input {index} of node '{node.name}', where a "
                "gradient is asked for; ask with respect to other tensors, or complete the rule (docs/add-a-rule.md)"
            )
        if grad is not ZERO:
            pairs.append((tensor, _fitted(op, rule, node, grad, tensor)))
    return pairs


def _check_attributes(rule: Rule, node: Node) -> None:
    known = rule.attributes()
    if "**" not in known and (unread := set(node.attrs) - known):
        raise UnsupportedOperator(
            f"the rule of {node.op} does not know the attribute {sorted(unread)} of node '{node.name}'; "
            "docs/add-a-rule.md shows how to extend it"
        )


def _call(op: Emitter, rule: Rule, node: Node, dy: list[Tensor | None]) -> tuple[Any, ...]:
    _check_attributes(rule, node)
    inputs = [t if t.name else None for t in node.inputs]
    if rule.several:
        grads = rule.function(op, tuple(dy), tuple(node.outputs), *inputs, **node.attrs)  # type: ignore[misc]
    else:
        if any(d is not None for d in dy[1:]):
            further = next(i for i, d in enumerate(dy) if i and d is not None)
            raise UnsupportedOperator(
                f"a gradient arrives at output {further} of node '{node.name}' ({node.op}), and its rule takes only "
                "the first; docs/add-a-rule.md shows how to extend it"
            )
        grads = rule.function(op, dy[0], node.outputs[0], *inputs, **node.attrs)  # type: ignore[misc]
    return grads if isinstance(grads, tuple) else (grads,)


def _through_expansion(op: Emitter, rules: RuleSet, rule: Rule, node: Node, dy: list[Tensor | None]) -> tuple[Any, ...]:
    assert rule.function is not None, "an expansion is a function"
    _check_attributes(rule, node)
    wanted, start = list(op.wanted), len(op.graph.nodes)
    # Each input gets a name of its own, so that the walk stays inside the expansion.
    inputs = [op.stand_in(t) if want else t for t, want in zip(node.inputs, wanted, strict=True)]
    made = rule.function(op, *(t if t.name else None for t in inputs), **node.attrs)
    outputs = made if isinstance(made, tuple) else (made,)
    seeds = {t.name: d for t, d in zip(outputs, dy, strict=False) if d is not None}
    names = [t.name for t, want in zip(inputs, wanted, strict=True) if want]
    grads = backward(op, rules, seeds, names, nodes=list(op.graph.nodes[start:]))
    op.wanted = wanted
    return tuple(grads.get(t.name, ZERO) if want else None for t, want in zip(inputs, wanted, strict=True))


def _fitted(op: Emitter, rule: Rule, node: Node, grad: Tensor, tensor: Tensor) -> Tensor:
    if rule.broadcasts and not same_shape(grad, tensor):
        grad = unbroadcast(op, grad, tensor)
    known, expected = static_shape(grad), static_shape(tensor)
    if known is not None and expected is not None and known != expected:
        raise AssertionError(
            f"the rule of {node.op} gives {known} for '{tensor.name}' of shape {expected} ({node.name})"
        )
    return grad
