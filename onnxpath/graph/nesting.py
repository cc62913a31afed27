"""The emitter's part for graphs inside graphs: their nodes moved in, computed again, or made the body of a node."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from onnxpath.graph.ir import Graph, Node, Tensor, Variable, copy_body
from onnxpath.graph.schema import schema_of
from onnxpath.graph.subgraphs import captures, scopes

STEADY = {"Transpose", "Split", "Shape", "Sub", "Mul", "Neg", "Cast", "Unsqueeze", "Squeeze"}
"""What may leave the body of a loop: cheap, and right even where no iteration is made."""


class Nesting:
    """What an emitter does with graphs; the rest of it is in `Emitter`."""

    graph: Graph
    _origin: str
    _role: str
    _emitted: set[str]

    def name(self, *parts: str) -> str:
        raise NotImplementedError

    def _add(self, node: Node) -> None:
        raise NotImplementedError

    def _as_tensors(self, schema: onnx.defs.OpSchema, inputs: Sequence[Any]) -> list[Tensor]:
        raise NotImplementedError

    def inline(self, graph: Graph, inputs: Mapping[str, Tensor], kept: Collection[str] = ()) -> dict[str, Tensor]:
        """Move the nodes of another graph into this one and return its outputs by name.

        graph: is used up; inputs: what takes the place of its inputs, by their names; kept: names of tensors that
        belong to this graph already and stay as they are.
        """
        outputs = {t.name: inputs.get(t.name, t) for t in graph.outputs}
        for tensor in graph.tensors_of_all_scopes().values():
            if tensor.name in inputs:
                for node in list(tensor.outputs):
                    # One by one: taking a node from a tensor takes the first that looks like it, and in this graph
                    # there may be one of the same name.
                    for index, used in enumerate(node.inputs):
                        if used is tensor:
                            node.inputs[index] = inputs[tensor.name]
            elif tensor.name not in kept:
                tensor.name = self.name(self._origin, self._role, tensor.name)
        bodies = list(scopes(graph.body))
        nodes = list(graph.nodes)
        for node in [node for body in bodies for node in body.nodes]:
            node.name = self.name(self._origin, self._role, node.op)
            if self._role:
                self.graph.node_metadata[node.name] = {"onnxpath.role": self._role, "onnxpath.origin": self._origin}
        graph.nodes.clear()
        self._emitted.update(node.name for node in nodes)
        self.graph.nodes.extend(nodes)
        return outputs

    def inline_body(self, body: gs.Graph, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute a subgraph of this graph's again, from other inputs, and return its outputs in order."""
        kept = captures(body)
        copy = Graph(copy_body(body, kept))
        made = self.inline(copy, dict(zip((t.name for t in body.inputs), inputs, strict=True)), kept)
        return [made[t.name] for t in body.outputs]

    def control(self, op_type: str, inputs: Sequence[Any], like: Sequence[Tensor], **attributes: Any) -> list[Tensor]:
        """Make a node with subgraphs; Emitter attributes become the graphs that they have made.

        like: tensors of the dtypes and shapes of the outputs.
        """
        schema = schema_of(op_type, self.graph.opset)
        graphs = {k: v.graph.body for k, v in attributes.items() if isinstance(v, Nesting)}
        for inner in (v for v in attributes.values() if isinstance(v, Nesting)):
            if op_type != "If":
                self._hoist(inner.graph)
            inner.graph.cleanup()
        name = self.name(self._origin, self._role, op_type)
        outputs = [Variable(self.name(f"{name}:{i}"), t.dtype, t.shape) for i, t in enumerate(like)]
        self._add(Node(op_type, name, {**attributes, **graphs}, self._as_tensors(schema, inputs), outputs))
        return outputs

    def _hoist(self, body: Graph) -> None:
        """Take out of a loop's body what is the same in every iteration."""
        inside = {t.name for t in body.inputs} | {t.name for node in body.nodes for t in node.outputs}
        outputs = {t.name for t in body.outputs}
        for node in list(body.nodes):
            made = {t.name for t in node.outputs}
            if node.op in STEADY and not made & outputs and not any(t.name in inside for t in node.inputs):
                body.nodes.remove(node)
                self._add(node)
                inside -= made
