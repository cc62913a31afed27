"""Models without a float input: where ids become vectors, and pixels numbers, and so where a gradient can begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxpath.errors import ModelError, unknown
from onnxpath.graph.expand import EXPANDED
from onnxpath.graph.infer import INVENTED
from onnxpath.graph.ir import Constant, Graph, Node, Tensor, is_float, is_variable
from onnxpath.registry import as_names

PASS_ON = {"Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Clip", "Expand"}
"""Operators whose output holds the ids of their first input."""

CASTS = {"Cast", "CastLike", "DequantizeLinear"}
"""Operators that make floats of integers."""

TABLES = {"Cast", "Identity", "DequantizeLinear"}
"""Operators through which a table may come."""


@dataclass(frozen=True)
class Embedding:
    """A look-up in a constant table by a model input.

    name: the tensor that it makes; input: the integer input; table, size: the table's name and shape; shape: of the
    tensor.
    """

    name: str
    input: str
    table: str
    size: tuple[int, ...]
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        shape = " × ".join("?" if d is None or str(d).startswith(INVENTED) else str(d) for d in self.shape)
        size = " × ".join(map(str, self.size))
        return f"'{self.name}' [{shape}]: '{self.input}' looked up in '{self.table}' [{size}]"


def embeddings(graph: Graph) -> list[Embedding]:
    """Return the look-ups in constant tables whose places are the values of an integer input, in the inputs' order.

    The look-ups of one EmbedLayerNormalization are one: what it makes.
    """
    found: dict[str, Embedding] = {}
    inputs = {t.name for t in graph.inputs if not is_float(t)}
    for node in graph.nodes:
        table = _table(node) if node.op == "Gather" and node.attrs.get("axis", 0) == 0 else None
        source = _source(node.inputs[1]) if table is not None else None
        if table is None or source is None or source.name not in inputs:
            continue
        made = _fused(graph, node) or node.outputs[0]
        shape = tuple(made.shape) if made.shape is not None else ()
        found.setdefault(made.name, Embedding(made.name, source.name, table.name, tuple(table.shape), shape))
    order = [t.name for t in graph.inputs]
    return sorted(found.values(), key=lambda embedding: order.index(embedding.input))


def casts(graph: Graph) -> list[str]:
    """Return what the integer inputs are as floats, such as the pixels of a picture: one Cast or DequantizeLinear each.

    Their axes are those of the inputs. Empty unless every input is an integer one and has exactly one.
    """
    found: dict[str, list[str]] = {t.name: [] for t in graph.inputs}
    for node in graph.nodes:
        if node.op in CASTS and is_float(node.outputs[0]):
            source = node.inputs[0]
            while source.inputs and source.inputs[0].op in ("Identity", "Cast"):
                source = source.inputs[0].inputs[0]
            found.get(source.name, []).append(node.outputs[0].name)
    return [made[0] for made in found.values()] if all(len(made) == 1 for made in found.values()) else []


def default_sources(graph: Graph, scalars: bool = True) -> list[str]:
    """Return what to differentiate by where nobody says: the float inputs; without one, the only embedding or `casts`.

    scalars: False leaves out float inputs without rows. Raises ModelError where a model has none of these, or several
    embeddings, and lists them.
    """
    floats = [t.name for t in graph.inputs if is_float(t) and (scalars or t.shape != [])]
    if floats:
        return floats
    found = embeddings(graph)
    if len(found) == 1:
        return [found[0].name]
    if not found and (cast := casts(graph)):
        return cast
    kinds = ", ".join(f"'{t.name}' ({t.dtype})" for t in graph.inputs)
    if found:
        raise ModelError(
            f"the model has no float input to differentiate by, and its integer inputs are looked up in {len(found)} "
            "tables; name one or more of these tensors in `wrt`:\n" + "\n".join(f"  {e}" for e in found)
        )
    raise ModelError(
        "the model has no float input to differentiate by, and its inputs are neither looked up in a table "
        f"nor each cast to float in one place: {kinds}; name float tensors in `wrt` "
        "(`onnxpath inspect MODEL --tensors` lists them)"
    )


def named_sources(graph: Graph, wrt: Sequence[str]) -> list[str]:
    """Return each name once; raises UnknownName for one that is no float tensor or has no rows: constants, scalars."""
    wrt = as_names(wrt)
    tensors = {name: t for name, t in graph.tensors().items() if is_float(t) and is_variable(t) and t.shape != []}
    if missing := [name for name in wrt if name not in tensors]:
        raise unknown("computed float tensor", missing, tensors, "`onnxpath inspect MODEL --tensors` lists them")
    return wrt


def beginnings(graph: Graph) -> list[str]:
    """Return every tensor that a gradient may begin at: the float inputs, else all embeddings, else `casts`."""
    return [t.name for t in graph.inputs if is_float(t)] or [e.name for e in embeddings(graph)] or casts(graph)


def _table(node: Node) -> Tensor | None:
    table = node.inputs[0]
    while table.inputs and table.inputs[0].op in TABLES:
        table = table.inputs[0].inputs[0]
    rank = len(node.inputs[0].shape) if node.inputs[0].shape is not None else 0
    return table if isinstance(table, Constant) and rank == 2 and is_float(node.outputs[0]) else None


def _source(places: Tensor) -> Tensor | None:
    """Return the tensor that the ids come from; None where they are computed from something else."""
    while places.inputs:
        node = places.inputs[0]
        if node.op == "Where":
            # Negative ids count from the end: Where(ids < 0, ids + size, ids).
            places = node.inputs[2]
        elif node.op in PASS_ON:
            places = node.inputs[0]
        else:
            return None
    return places


def _fused(graph: Graph, look_up: Node) -> Tensor | None:
    """Return the output of the EmbedLayerNormalization that a look-up was part of, None for any other look-up."""
    about = graph.node_metadata.get(look_up.name, {})
    if about.get("onnxpath.role") != EXPANDED:
        return None
    return next((node.outputs[0] for node in _of_origin(graph, about) if node.op == "LayerNormalization"), None)


def _of_origin(graph: Graph, about: dict[str, str]) -> Iterator[Node]:
    return (node for node in graph.nodes if graph.node_metadata.get(node.name) == about)
