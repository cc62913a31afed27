"""Nodes computed a second time, from other values."""

from __future__ import annotations

from collections.abc import Sequence

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Node, Tensor
from onnxpath.graph.query import inputs_of
from onnxpath.graph.subgraphs import subgraphs

SAME_EITHER_WAY = ("Shape", "Size", "IsNaN", "IsInf")
"""Operators whose output is the same for all finite values of one shape."""


def compute_again(op: Emitter, nodes: Sequence[Node], instead: dict[str, Tensor]) -> None:
    """Compute nodes again with other tensors in place of some, and enter what they make beside those.

    nodes: of the emitter's graph, in topological order; instead: name of a tensor -> another of its shape and dtype;
    nodes that read none of these are not computed again. Raises UnsupportedOperator for nodes with subgraphs.
    """
    for node in nodes:
        if node.op in SAME_EITHER_WAY or not any(t.name in instead for t in inputs_of(node)):
            continue
        if any(True for _ in subgraphs(node)):
            raise UnsupportedOperator(
                f"node '{node.name}' ({node.op}) has subgraphs, and is needed a second time for other values, which is "
                "not possible; choose a method of gradients alone, such as integrated-gradients"
            )
        with op.serving(node.name, "again"):
            inputs = [instead.get(t.name, t) for t in node.inputs]
            several = {"outputs": len(node.outputs)} if len(node.outputs) > 1 else {}
            made = getattr(op, node.op)(*inputs, **several, **node.attrs)
        for tensor, again in zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True):
            again.shape = list(tensor.shape) if tensor.shape is not None else again.shape
            instead[tensor.name] = again
