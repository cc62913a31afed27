"""A model with a fixed number of rows, opened to any number."""

from __future__ import annotations

import numpy as np

from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Constant, Graph, Node, static_shape
from onnxpath.graph.row_table import Axis
from onnxpath.graph.rows import row_axes


def free_rows(graph: Graph) -> Graph:
    """Return a copy of a graph with a fixed number of rows that takes any; MixedRows where that cannot be.

    Sizes of inputs and the row entries of constant Reshape targets become open. What comes out must still be compared
    with the original on real rows: where several axes have size 1, the table's word alone does not prove it.
    """
    axes = row_axes(graph)
    freed = graph.copy()
    for tensor in freed.inputs:
        if tensor.shape:
            tensor.shape = ["N", *tensor.shape[1:]]
    for node in freed.nodes:
        if node.op == "Reshape" and axes.get(node.outputs[0].name) is not None:
            _open_target(node, axes[node.inputs[0].name], axes[node.outputs[0].name])
    infer_shapes(freed)
    return freed


def _open_target(node: Node, source: Axis, target: Axis) -> None:
    shape = node.inputs[1]
    if not isinstance(shape, Constant) or source is None or target is None:
        return
    sizes = [int(v) for v in shape.values]
    known = static_shape(node.outputs[0])
    if known is not None:
        sizes = known
    if sizes[target] <= 0:
        return
    sizes[target] = -1
    node.inputs[1] = Constant(f"{node.name}/any_rows", np.asarray(sizes, np.int64))
