"""What a node is to relevance, beside which operator it is: roles that are found in a graph."""

from __future__ import annotations

from collections.abc import Iterable

from onnxpath.graph.ir import Constant, Graph, Node, Tensor
from onnxpath.graph.neurons import spelled_gates
from onnxpath.graph.quantised import varies
from onnxpath.graph.query import LINEAR, between, downstream, linear_roles

PRODUCT, GATE, DEVIATION, CENTRING, MEAN = "product", "gate", "deviation", "centring", "mean"
ROLES = ("first_linear", "last_linear", PRODUCT, GATE, DEVIATION, CENTRING, MEAN)
CARRIED = ("Add", "Max", "Clip", "Cast", "Expand", "Unsqueeze", "Squeeze", "Reshape", "Identity")
"""What may stand between a root and the quotient by it: the other inputs are constants."""


def relevance_roles(graph: Graph, roots: Iterable[str], target: str) -> dict[str, tuple[str, ...]]:
    """Return the roles of the nodes between `roots` and `target`, by node name.

    "first_linear", "last_linear": as in `linear_roles`; "product": a linear operator both of whose factors depend on
    the roots; "gate": what an activation that is spelled in several nodes multiplies its argument with (Sigmoid in
    SiLU, Erf in GELU); "deviation": a root that does nothing but divide, as in normalizations that are spelled out;
    "centring": a Sub that takes a tensor's mean from it; "mean": that mean, where nothing else reads it.
    """
    roots = list(roots)
    roles = linear_roles(graph, roots, target)
    held = dict.fromkeys(spelled_gates(graph), GATE) | {n.name: DEVIATION for n in graph.nodes if _is_deviation(n)}
    moving = downstream(graph, roots, held)
    for node in graph.nodes:
        if _is_centring(node):
            roles[node.name], roles[node.inputs[1].inputs[0].name] = (CENTRING,), (MEAN,)
    for node in between(graph, roots, [target]):
        if node.name in held:
            roles[node.name] = (held[node.name],)
        elif node.op in LINEAR and all(t.name in moving for t in node.inputs[:2]):
            roles[node.name] = (*roles.get(node.name, ()), PRODUCT)
    return roles


def _is_centring(node: Node) -> bool:
    if node.op != "Sub" or not node.inputs[1].inputs:
        return False
    (x, mean), maker = node.inputs, node.inputs[1].inputs[0]
    whole = maker.op == "ReduceMean" and maker.inputs[0] is x and maker.attrs.get("keepdims", 1) == 1
    return whole and all(n.op == "Sub" and n.inputs[0] is x and n.inputs[1] is mean for n in mean.outputs)


def _is_deviation(node: Node) -> bool:
    if node.op in ("Sqrt", "ReduceL2"):
        return _divides(node.outputs[0], inverse=False)
    if node.op != "Pow" or not isinstance(node.inputs[1], Constant) or node.inputs[1].values.size != 1:
        return False
    exponent = float(node.inputs[1].values.reshape(-1)[0])
    return abs(exponent) == 0.5 and _divides(node.outputs[0], inverse=exponent < 0)


def _divides(tensor: Tensor, inverse: bool) -> bool:
    """True where all that a tensor is read for is to divide something by it; inverse: it is one over the root."""
    return bool(tensor.outputs) and all(_use_divides(node, tensor, inverse) for node in tensor.outputs)


def _use_divides(node: Node, tensor: Tensor, inverse: bool) -> bool:
    others = [t for t in node.inputs if t is not tensor and t.name and varies(t)]
    made = node.outputs[0]
    if node.op == "Reciprocal":
        return not inverse and _divides(made, inverse=True)
    if node.op == "Div" and node.inputs[1] is tensor and node.inputs[0] is not tensor:
        return not inverse and (bool(others) or _divides(made, inverse=True))
    if node.op == "Mul" and sum(t is tensor for t in node.inputs) == 1:
        return inverse if others else _divides(made, inverse)
    return node.op in CARRIED and not others and _divides(made, inverse)
