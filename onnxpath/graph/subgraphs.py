"""Graphs among the attributes of a node (If, Loop, Scan): which there are, and what they read from outside."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_graphsurgeon as gs
from onnx_graphsurgeon import Node, Tensor


def subgraphs(node: Node) -> Iterator[gs.Graph]:
    """Yield the graphs among a node's attributes (If, Loop, Scan)."""
    yield from (value for value in node.attrs.values() if isinstance(value, gs.Graph))


def scopes(body: gs.Graph) -> Iterator[gs.Graph]:
    """Yield a graph and every graph inside it, outer ones first."""
    yield body
    for node in body.nodes:
        for inner in subgraphs(node):
            yield from scopes(inner)


def captures(*bodies: gs.Graph) -> dict[str, Tensor]:
    """Return what subgraphs read from outside, by name and in the order of names; constants are always outside."""
    found: dict[str, Tensor] = {}
    for body in bodies:
        made = {t.name for inner in body.nodes for t in inner.outputs} | {t.name for t in body.inputs}
        read = {t.name: t for t in body.outputs}
        for node in body.nodes:
            read.update((t.name, t) for t in node.inputs)
            read.update(captured(node))
        found.update((name, t) for name, t in read.items() if name and name not in made)
    return dict(sorted(found.items()))


def captured(node: Node) -> dict[str, Tensor]:
    """Return what a node's subgraphs read from outside, by name and in the order of names."""
    return captures(*inner) if (inner := list(subgraphs(node))) else {}


def detach(node: Node) -> None:
    """Let a node that was dropped, and the nodes in its subgraphs, be no consumers of anything."""
    for body in subgraphs(node):
        for inner in body.nodes:
            detach(inner)
    node.inputs.clear()
