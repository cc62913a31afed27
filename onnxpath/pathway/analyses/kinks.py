"""Where a piecewise affine network bends: the nodes that change their branch, and proof that the others are affine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Graph, Node, Tensor, is_float
from onnxpath.graph.query import inputs_of, upstream

SIZES = ("Shape", "Size")
"""Operators whose result depends on sizes, not on values."""

ANY = {"Add", "Sub", "Sum", "Mean", "Concat", "Identity", "Neg"}
"""Affine in all of their inputs together."""

FIRST = {"Div", "BatchNormalization", "AveragePool", "GlobalAveragePool", "ReduceSum", "ReduceMean", "CumSum", "Cast"}
FIRST |= {
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Expand",
    "Tile",
    "Split",
    "Slice",
    "Pad",
    "Resize",
}
FIRST |= {"Gather", "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth", "Trilu", "CastLike", "Dropout"}
"""Affine in the first input, where the others are fixed."""

PRODUCTS = {"Mul", "MatMul", "Gemm", "Conv", "ConvTranspose"}
"""Affine where only one of the first two inputs varies; what is added to the product may vary too."""

Bounds: TypeAlias = Callable[[Node], "tuple[float, ...] | None"]


@dataclass(frozen=True)
class Kink:
    """A node that bends.

    name: its output; op; tensor: the element-wise kinks lie where an element of it meets one of `bounds`; pool: a
    node of MaxPool or GlobalMaxPool, which bends where two elements of `tensor` in one window meet, else None.
    """

    name: str
    op: str
    tensor: Tensor
    bounds: tuple[float, ...]
    pool: Node | None = None


def find_kinks(op: Emitter, sources: Sequence[str], logits: str) -> list[Kink]:
    """Return the nodes between `sources` and `logits` that bend, in order; differences are emitted for Max and Min.

    Raises UnsupportedOperator, which names every node that is neither affine nor has known kinks.
    """
    varying = _depend(op.graph, sources)
    needed = upstream(op.graph, [logits])
    kinks: list[Kink] = []
    wrong: list[Node] = []
    for node in list(op.graph.nodes):
        live = any(t.name in varying and t.name in needed for t in node.outputs)
        if not live or _is_affine(node, varying):
            continue
        found = _kink(op, node, varying)
        if found is None:
            wrong.append(node)
        else:
            kinks.append(found)
    if wrong:
        raise _unsupported(wrong, op.graph.opset, sources, logits)
    return kinks


def _depend(graph: Graph, sources: Sequence[str]) -> set[str]:
    """Names of all tensors whose values depend on the sources, through any dtype, and not by their sizes alone."""
    reached = set(sources)
    for node in graph.nodes:
        if node.op not in SIZES and any(t.name in reached for t in inputs_of(node)):
            reached |= {t.name for t in node.outputs if t.name}
    return reached


def _is_affine(node: Node, varying: set[str]) -> bool:
    if not all(is_float(t) for t in node.outputs if t.name in varying) or node.attrs.get("training_mode"):
        return False
    places = {i for i, t in enumerate(node.inputs) if t.name in varying}
    if node.op in PRODUCTS:
        return len(places & {0, 1}) <= 1
    if node.op == "Where":
        return 0 not in places
    return node.op in ANY or (node.op in FIRST and places == {0})


def _kink(op: Emitter, node: Node, varying: set[str]) -> Kink | None:
    """Return how a node bends, None where that is not known."""
    name, places = node.outputs[0].name, [i for i, t in enumerate(node.inputs) if t.name in varying]
    if node.op in ("Max", "Min") and len(node.inputs) == 2:
        first, second = node.inputs if 0 in places else node.inputs[::-1]
        with op.serving(name, "kink"):
            return Kink(name, node.op, op.Sub(first, second), (0.0,))
    if places != [0]:
        return None
    if node.op in ("MaxPool", "GlobalMaxPool"):
        return Kink(name, node.op, node.inputs[0], (), node)
    bounds = BENDS[node.op](node) if node.op in BENDS else None
    return None if bounds is None else Kink(name, node.op, node.inputs[0], bounds)


def _clip(node: Node) -> tuple[float, ...] | None:
    given = [t for t in node.inputs[1:] if t.name]
    return tuple(float(t.values) for t in given) if all(isinstance(t, Constant) for t in given) else None


def _hard_sigmoid(node: Node) -> tuple[float, ...] | None:
    slope, shift = node.attrs.get("alpha", 0.2), node.attrs.get("beta", 0.5)
    return (-shift / slope, (1 - shift) / slope) if slope else ()


BENDS: dict[str, Bounds] = {
    **dict.fromkeys(("Relu", "LeakyRelu", "PRelu", "Abs"), lambda node: (0.0,)),
    "ThresholdedRelu": lambda node: (node.attrs.get("alpha", 1.0),),
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
}
"""Operator -> the values of its input at which it bends, None where they are not known before the run."""


def _unsupported(nodes: list[Node], opset: int, sources: Sequence[str], logits: str) -> UnsupportedOperator:
    by_operator: dict[str, list[str]] = {}
    for node in nodes:
        by_operator.setdefault(node.op, []).append(node.name)
    lines = [
        f"  {operator} (opset {opset}): node '{names[0]}'" + (f" and {len(names) - 1} more" if names[1:] else "")
        for operator, names in by_operator.items()
    ]
    return UnsupportedOperator(
        "a linear region is that of a piecewise affine network, and on the way from "
        f"'{', '.join(sources)}' to '{logits}' these are not affine, or where they bend is not known:\n"
        + "\n".join(lines)
        + "\nknown are ReLU, ReLU6, LeakyReLU, PReLU, hard sigmoid, abs, max of two, max pooling, and what is linear "
        "with fixed weights"
    )
