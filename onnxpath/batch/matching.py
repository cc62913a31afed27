"""Which layer of one model is which of another: by name where that says it, else by order and shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeAlias

from onnxpath.graph.ir import Graph
from onnxpath.graph.quantised import LINEAR
from onnxpath.graph.query import inputs_of

Named: TypeAlias = tuple[str, tuple[int | None, ...]]
"""A layer: its name, and its sizes behind the row axis."""

BY_NAME, BY_ORDER = "name", "order and shape"


@dataclass(frozen=True)
class Matching:
    """Pairs of places in two lists of layers with what they were matched by, and what has no partner."""

    pairs: tuple[tuple[int, int, str], ...]
    left_one: tuple[str, ...]
    left_other: tuple[str, ...]


def match_layers(one: Sequence[Named], other: Sequence[Named]) -> Matching:
    """Match the layers of two models.

    Layers of one name and shape belong together, unless that would change their order, or the names are mere numbers,
    which every exporter gives anew, and the two lists are not the same. The rest are aligned by shape, in order: the
    longest stretches of equal shapes first.
    """
    named = _by_name(one, other)
    places: list[tuple[int, int, str]] = [(i, j, BY_NAME) for i, j in named]
    left = [i for i in range(len(one)) if i not in dict(named)]
    right = [j for j in range(len(other)) if j not in {j for _, j in named}]
    blocks = SequenceMatcher(None, [one[i][1] for i in left], [other[j][1] for j in right], autojunk=False)
    for block in blocks.get_matching_blocks():
        for k in range(block.size):
            places.append((left[block.a + k], right[block.b + k], BY_ORDER))
    pairs = tuple(sorted(places))
    if [j for _, j, _ in pairs] != sorted(j for _, j, _ in pairs):
        # What was aligned crosses what has a name: the names are the surer sign.
        pairs = tuple(p for p in pairs if p[2] == BY_NAME)
    taken, theirs = {i for i, _, _ in pairs}, {j for _, j, _ in pairs}
    return Matching(
        pairs,
        tuple(name for i, (name, _) in enumerate(one) if i not in taken),
        tuple(name for j, (name, _) in enumerate(other) if j not in theirs),
    )


def _by_name(one: Sequence[Named], other: Sequence[Named]) -> list[tuple[int, int]]:
    places = {layer: j for j, layer in enumerate(other)}
    told = [layer[0] for layer in one] == [layer[0] for layer in other]
    found = [
        (i, places[layer]) for i, layer in enumerate(one) if layer in places and (told or not layer[0].isdecimal())
    ]
    in_order = [j for _, j in found] == sorted(j for _, j in found)
    return found if in_order else []


def linear_nodes(graph: Graph, layer: str, layers: Collection[str]) -> list[str]:
    """Return the names of the linear nodes between a layer and the layers before it, in order."""
    found, wanted = [], {layer}
    for node in reversed(graph.nodes):
        if any(t.name in wanted for t in node.outputs):
            wanted |= {t.name for t in inputs_of(node) if t.name not in layers}
            found += [node.name] if node.op in LINEAR else []
    return found[::-1]
