"""Questions about a graph: what lies between, which tensors are neurons, what the output layer is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph, Node, Tensor, carries
from onnxpath.graph.subgraphs import captured


def producers(graph: Graph) -> dict[str, Node]:
    """Return the node that makes each tensor, by tensor name."""
    return {t.name: node for node in graph.nodes for t in node.outputs if t.name}


def inputs_of(node: Node) -> list[Tensor]:
    """Return a node's inputs, and what its subgraphs capture."""
    return [*(t for t in node.inputs if t.name), *captured(node).values()]


def downstream(
    graph: Graph, roots: Iterable[str], blocked: Collection[str] = (), nodes: Sequence[Node] | None = None
) -> set[str]:
    """Return the names of all float and quantised tensors that depend on `roots`, roots included.

    blocked: names of nodes that pass nothing on; nodes: where to look, in topological order, default the whole graph.
    """
    reached = set(roots)
    for node in graph.nodes if nodes is None else nodes:
        if node.name not in blocked and any(t.name in reached for t in inputs_of(node)):
            reached |= {t.name for t in node.outputs if t.name and carries(t)}
    return reached


def upstream(
    graph: Graph, targets: Iterable[str], nodes: Sequence[Node] | None = None, blocked: Collection[str] = ()
) -> set[str]:
    """Return the names of all tensors that `targets` depend on, targets included; nodes, blocked as there."""
    needed = set(targets)
    for node in reversed(graph.nodes if nodes is None else nodes):
        if node.name not in blocked and any(t.name in needed for t in node.outputs):
            needed |= {t.name for t in inputs_of(node)}
    return needed


def require_path(graph: Graph, roots: Collection[str], targets: Collection[str], hint: str) -> None:
    """Raise ModelError where no float path leads from any root to any target; hint: what to do, for its text."""
    if not downstream(graph, roots) & set(targets):
        raise ModelError(
            f"no float path leads from {', '.join(roots)} to {', '.join(targets)}, so there is no gradient; {hint}"
        )


def between(
    graph: Graph,
    roots: Iterable[str],
    targets: Iterable[str],
    blocked: Collection[str] = (),
    nodes: Sequence[Node] | None = None,
) -> list[Node]:
    """Return the nodes on some float path from `roots` to `targets`, in topological order."""
    after = downstream(graph, roots, blocked, nodes)
    before = upstream(graph, targets, nodes, blocked)
    return [
        node
        for node in (graph.nodes if nodes is None else nodes)
        if node.name not in blocked
        and any(t.name in after and carries(t) for t in inputs_of(node))
        and any(t.name in before and t.name in after for t in node.outputs)
    ]


LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that multiply one input by weights."""


def linear_roles(graph: Graph, roots: Iterable[str], target: str) -> dict[str, tuple[str, ...]]:
    """Return the roles of the linear nodes between `roots` and `target`, by node name.

    "first_linear": no other linear node lies between it and the roots; "last_linear": none between it and the target.
    """
    nodes = between(graph, roots, [target])
    linear = [node.name for node in nodes if node.op in LINEAR]
    behind = downstream(graph, roots, linear, nodes)
    ahead = {target}
    for node in reversed(nodes):
        if node.name not in linear and any(t.name in ahead for t in node.outputs):
            ahead |= {t.name for t in inputs_of(node)}
    roles: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        if node.name in linear:
            first = ("first_linear",) if any(t.name in behind for t in node.inputs) else ()
            last = ("last_linear",) if any(t.name in ahead for t in node.outputs) else ()
            roles[node.name] = (*first, *last)
    return roles
