"""Loops with less state: what no iteration changes is read from outside, what counts is the iteration's number."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from onnxpath.graph.ir import Constant, Graph, Node, Tensor, Variable, is_variable, onnx_dtype, replace_uses
from onnxpath.graph.scope import fresh
from onnxpath.graph.subgraphs import scopes


def simplify_loops(graph: Graph) -> None:
    """Take states out of every Loop, in place, as exporters make them of weights and of counters."""
    taken = graph.names()
    for body in scopes(graph.body):
        for node in [n for n in body.nodes if n.op == "Loop"]:
            for place in reversed(range(len(node.inputs) - 2)):
                if not _drop_constant(body, node, place):
                    _count(node, place, taken)


def _drop_constant(outer: gs.Graph, node: Node, place: int) -> bool:
    """Read a state that every iteration hands on unchanged from outside."""
    body, initial = node.attrs["body"], node.inputs[place + 2]
    entering, final = body.inputs[place + 2], node.outputs[place]
    if _source(body.outputs[place + 1]) is not entering:
        return False
    replace_uses(entering, initial)
    del body.outputs[place + 1], body.inputs[place + 2], node.inputs[place + 2], node.outputs[place]
    if final.name:
        here = next(i for i, other in enumerate(outer.nodes) if other is node)
        outer.nodes.insert(here, Node("Identity", f"{final.name}/unchanged", {}, [initial], [final]))
    return True


def _count(node: Node, place: int, taken: set[str]) -> None:
    """Let what reads a scalar state that begins at 0 and grows by 1 read the number of the iteration instead."""
    body, initial = node.attrs["body"], node.inputs[place + 2]
    entering, add = body.inputs[place + 2], (body.outputs[place + 1].inputs or [None])[0]
    if add is None or add.op != "Add" or not _is(initial, 0) or np.shape(initial.values) or body.inputs[0].shape:
        return
    if not any(a is entering and _is(b, 1) for a, b in (add.inputs, add.inputs[::-1])):
        return
    name = fresh(f"{entering.name}/count", taken)
    count = Variable(name, entering.dtype, entering.shape)
    for reader in list(entering.outputs):
        if reader is not add:
            reader.inputs = [count if t is entering else t for t in reader.inputs]
    body.nodes.insert(0, Node("Cast", name, {"to": onnx_dtype(initial)}, [body.inputs[0]], [count]))


def _is(tensor: Tensor, value: int) -> bool:
    return isinstance(tensor, Constant) and np.size(tensor.values) == 1 and bool(np.all(tensor.values == value))


def _source(tensor: Tensor) -> Tensor:
    while is_variable(tensor) and tensor.inputs and tensor.inputs[0].op == "Identity":
        tensor = tensor.inputs[0].inputs[0]
    return tensor
