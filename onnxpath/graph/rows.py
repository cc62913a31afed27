"""Where the rows of a batch are in every tensor, and whether an operator mixes them.

`row_axes` follows the leading axis of the inputs through the graph with a table: operator -> where the rows are in its
outputs. Rows that are carried throughout can be run together; what mixes them, or is not in the table, cannot.
"""

from __future__ import annotations

from onnxpath.graph.ir import Graph, is_variable
from onnxpath.graph.query import inputs_of
from onnxpath.graph.row_table import CARRIES_OF, Axis, MixedRows


def row_axes(graph: Graph) -> dict[str, Axis]:
    """Return the row axis of every tensor, by name; MixedRows names the first node that mixes rows or is unknown."""
    axes: dict[str, Axis] = {t.name: 0 for t in graph.inputs if t.shape is None or len(t.shape)}
    for node in graph.nodes:
        carries = CARRIES_OF.get(node.domain or "ai.onnx", {})
        given = [axes.get(t.name) if is_variable(t) else None for t in node.inputs]
        if all(axes.get(t.name) is None for t in inputs_of(node)):
            made: list[Axis] = [None] * len(node.outputs)
        elif node.op in carries:
            made = carries[node.op](node, given)
        else:
            raise MixedRows(f"where rows go through {node.op} is not known (node '{node.name}')")
        for tensor, axis in zip(node.outputs, made, strict=False):
            axes[tensor.name] = axis
    for tensor in graph.outputs:
        if axes.get(tensor.name) not in (0, None):
            raise MixedRows(f"output '{tensor.name}' counts rows on axis {axes[tensor.name]}, not on its first")
    return axes
