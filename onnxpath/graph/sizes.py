"""Sizes that onnx's inference gives up on: what the -1 of a Reshape stands for, and what follows from it.

Without them the row axis loses its name at the first Reshape, and gradients undo at run time a broadcasting that never
was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from onnxpath.graph.ir import Constant, Graph, Node, Tensor, Variable

INVENTED = "unk__"
"""How onnx's inference begins the symbols that it makes up for unknown sizes."""

BROADCASTS = {"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "Where"}
TO_COMPUTED = {"Expand", "Tile"}
"""Operators whose second input holds sizes, or what to multiply sizes with."""

RESHAPES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}

Size = int | str | None


def name_sizes(graph: Graph) -> None:
    """Replace invented symbols by the number, symbol or product ("4*rows") that they are certain to be."""
    names: dict[str, Size] = {}
    for node in graph.nodes:
        for output in node.outputs:
            if output.shape is not None and any(_invented(d) for d in output.shape):
                shapes = [_renamed(t.shape, names) for t in node.inputs if t.name]
                if node.op in TO_COMPUTED and len(node.inputs) > 1:
                    shapes[1] = _entries(node.inputs[1], names)
                names |= _told(node, shapes, _renamed(output.shape, names) or [])
    for tensor in graph.tensors_of_all_scopes().values():
        if names and isinstance(tensor, Variable):
            tensor.shape = _renamed(tensor.shape, names)


def _invented(size: Size) -> bool:
    return isinstance(size, str) and size.startswith(INVENTED)


def _renamed(shape: Sequence[Size] | None, names: dict[str, Size]) -> list[Size] | None:
    return None if shape is None else [names.get(d, d) if isinstance(d, str) else d for d in shape]


def _told(node: Node, inputs: Sequence[list[Size] | None], output: list[Size]) -> dict[str, Size]:
    """What the shapes of a node's inputs tell of the invented symbols in its output's."""
    if node.op in RESHAPES and inputs[0] is not None:
        return _what_is_left(inputs[0], output)
    if node.op in BROADCASTS | {"MatMul", "Expand", "Tile"} and all(shape is not None for shape in inputs):
        matrix = 2 if node.op == "MatMul" else 0
        outer = [shape[: len(shape) - matrix] for shape in inputs if shape is not None]
        return _common(outer, output[: len(output) - matrix], alone=node.op == "Tile")
    return {}


def _entries(tensor: Tensor, names: dict[str, Size]) -> list[Size] | None:
    """The entries of a vector of sizes, where Shape, Concat and constants made it."""
    if isinstance(tensor, Constant):
        return list(tensor.values.tolist()) if tensor.values.ndim == 1 else None
    node = tensor.inputs[0] if tensor.inputs else None
    if node is not None and node.op == "Shape":
        shape = _renamed(node.inputs[0].shape, names)
        return None if shape is None else shape[node.attrs.get("start", 0) : node.attrs.get("end")]
    if node is not None and node.op == "Concat":
        parts = [_entries(t, names) for t in node.inputs]
        return None if None in parts else [size for part in parts if part for size in part]
    return None


def _what_is_left(source: list[Size], made: list[Size]) -> dict[str, Size]:
    """The one new symbol in a reshaped shape is what the other sizes leave of the number of entries."""
    fresh = [d for d in made if isinstance(d, str) and _invented(d) and d not in source]
    if len(fresh) != 1 or None in source or None in made:
        return {}
    total, others = _product(source), _product(d for d in made if d != fresh[0])
    known, taken = total.pop("", 1), others.pop("", 1)
    if not taken or known % taken or others - total:
        return {}
    count, symbols = known // taken, sorted((total - others).elements())
    parts = [str(count)] * (count != 1) + symbols
    if len(parts) > 1 and any(_invented(s) for s in symbols):
        return {}  # the next inference may invent the same symbol for something else
    return {fresh[0]: "*".join(parts) if symbols else count}


def _product(sizes: Iterable[Size]) -> Counter[str]:
    """The symbols of a product with their powers; under "" its number."""
    factors = list(chain.from_iterable(str(d).split("*") for d in sizes))
    found = Counter(f for f in factors if not f.isdigit())
    found[""] = 1
    for factor in factors:
        found[""] *= int(factor) if factor.isdigit() else 1
    return found


def _common(shapes: Sequence[list[Size]], made: list[Size], alone: bool) -> dict[str, Size]:
    """A broadcast size is the only one beside 1 that the inputs have there; `alone`: and only one input has it."""
    told: dict[str, Size] = {}
    for place, size in enumerate(reversed(made), start=1):
        if isinstance(size, str) and _invented(size):
            there = [shape[-place] for shape in shapes if len(shape) >= place and shape[-place] != 1] or [1]
            if there[0] is not None and (len(there) == 1 if alone else len(set(there)) == 1):
                told[size] = there[0]
    return told
