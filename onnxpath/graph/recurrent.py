"""Recurrent operators with the batch first, a layout that ONNX Runtime does not run, as ones with the time first."""

from __future__ import annotations

from onnxpath.graph.ir import Graph, Node, Tensor, Variable
from onnxpath.graph.scope import fresh
from onnxpath.graph.subgraphs import scopes

RECURRENT = ("LSTM", "GRU", "RNN")

# Per place of an input or output: its axes in the layout with the time first.
INPUTS = {0: [1, 0, 2], 5: [1, 0, 2], 6: [1, 0, 2]}
OUTPUTS = {0: [2, 0, 1, 3], 1: [1, 0, 2], 2: [1, 0, 2]}


def put_time_first(graph: Graph) -> None:
    """Replace layout=1 of LSTM, GRU and RNN by Transposes, in place; tensors keep their names."""
    taken = graph.names()
    for body in scopes(graph.body):
        for node in [n for n in body.nodes if n.op in RECURRENT and n.attrs.pop("layout", 0)]:
            place = next(i for i, other in enumerate(body.nodes) if other is node)
            before, after = [], []
            for index, perm in INPUTS.items():
                if index < len(node.inputs) and node.inputs[index].name:
                    turned = _turned(node.inputs[index], taken)
                    before.append(_transpose(node.inputs[index], turned, perm, taken))
                    node.inputs[index] = turned
            for index, perm in OUTPUTS.items():
                if index < len(node.outputs) and node.outputs[index].name:
                    old = node.outputs[index]
                    node.outputs[index] = _turned(old, taken)
                    after.append(_transpose(node.outputs[index], old, perm, taken))
            body.nodes[place : place + 1] = [*before, node, *after]


def _turned(tensor: Tensor, taken: set[str]) -> Variable:
    return Variable(fresh(f"{tensor.name}/time_first", taken), tensor.dtype)


def _transpose(source: Tensor, result: Tensor, perm: list[int], taken: set[str]) -> Node:
    return Node("Transpose", fresh(f"{result.name}/Transpose", taken), {"perm": perm}, [source], [result])
