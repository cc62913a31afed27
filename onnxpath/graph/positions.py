"""Positions: which axis of an input each axis of a tensor counts, and the last layer whose positions are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph, Node, Tensor, carries, same_dim
from onnxpath.graph.neurons import ACTIVATIONS, POOLING, RESHAPING
from onnxpath.graph.query import between, inputs_of, linear_roles, require_path

CHANNELS_SECOND = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"}
CHANNELS_SECOND |= {"MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}
CHANNELS_SECOND |= {"DepthToSpace", "SpaceToDepth"}
CHANNELS_LAST = {"Gemm", "MatMul", "LayerNormalization"}

ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "Where", "Abs", "Neg", "Reciprocal"}
ELEMENTWISE |= {"Exp", "Log", "Sqrt", "Erf", "Clip", "Cast", "CastLike", "Identity", "Dropout"}
ELEMENTWISE |= {"QuantizeLinear", "DequantizeLinear"}
ALONG_AXES = {"Pad", "Slice", "Split", "Concat", "Resize", "Upsample", "Softmax", "LogSoftmax", "ReduceMean"}
ALONG_AXES |= {"ReduceMax", "ReduceSum"}
KEEPING = CHANNELS_SECOND | CHANNELS_LAST | ELEMENTWISE | ALONG_AXES | ACTIVATIONS
"""Operators after which each axis counts what it counted before, at another pitch perhaps, if there are as many."""

SAME_ENTRIES = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}

NO_LAYER = POOLING | RESHAPING | {"Flatten", "Pad", "Slice", "Split"}
"""What these make are the values of the layer before, or fewer of them."""


@dataclass(frozen=True)
class Positions:
    """What the axes of a tensor count.

    axes: for each of its axes the axis of the source that it follows, None for a new one; channel: the axis that the
    last linear layer or pooling before it has its channels on, None before the first.
    """

    axes: tuple[int | None, ...]
    channel: int | None

    @property
    def spatial(self) -> tuple[int, ...]:
        """The axes that count neither rows nor channels."""
        return tuple(i for i, axis in enumerate(self.axes) if axis != 0 and i != self.channel)

    @property
    def known(self) -> bool:
        """True where rows, and a place in the source for every other axis but the channels', are known."""
        return self.channel is not None and 0 in self.axes and all(self.axes[i] is not None for i in self.spatial)


def positions(graph: Graph, source: str) -> dict[str, Positions]:
    """Follow the axes of `source` through the graph; tensors in which they are lost, or of unknown rank, have none."""
    rank = len(graph.tensor(source).shape or ())
    found = {source: Positions(tuple(range(rank)), None)}
    for node in graph.nodes:
        for tensor in node.outputs:
            # The inputs of an Add may have come by different ways: any that is known will do, the best first.
            ways = [_through(node, t, tensor, found[t.name]) for t in node.inputs if t.name in found]
            kept = [way for way in ways if way is not None]
            if kept:
                found[tensor.name] = next((way for way in kept if way.known), kept[0])
    return found


def _through(node: Node, given: Tensor, made: Tensor, before: Positions) -> Positions | None:
    rank = len(made.shape) if made.shape is not None else -1
    if node.op == "Transpose":
        perm = list(node.attrs.get("perm") or range(rank)[::-1])
        channel = None if before.channel is None else perm.index(before.channel)
        return Positions(tuple(before.axes[i] for i in perm), channel)
    if node.op in SAME_ENTRIES and given.shape is not None and made.shape is not None:
        return _without_ones(given.shape, made.shape, before)
    if node.op not in KEEPING or rank != len(before.axes) or (node.op in CHANNELS_LAST and given is not node.inputs[0]):
        return None
    if node.op in CHANNELS_SECOND:
        return Positions(before.axes, 1)
    if node.op == "Concat":
        # What comes behind something else is not where it was.
        joined = node.attrs["axis"] % rank
        return Positions(tuple(None if i == joined else axis for i, axis in enumerate(before.axes)), before.channel)
    return Positions(before.axes, rank - 1 if node.op in CHANNELS_LAST else before.channel)


def _without_ones(
    old: Sequence[int | str | None], new: Sequence[int | str | None], before: Positions
) -> Positions | None:
    """Match axes of equal size in order, where only axes of size 1 come or go; None otherwise."""
    places: list[int | None] = []
    i = 0
    for size in new:
        while i < len(old) and not same_dim(old[i], size) and old[i] == 1:
            i += 1
        if i < len(old) and same_dim(old[i], size):
            places.append(i)
            i += 1
        elif size == 1:
            places.append(None)
        else:
            return None
    if any(size != 1 for size in old[i:]):
        return None
    channel = places.index(before.channel) if before.channel in places and before.channel is not None else None
    return Positions(tuple(None if p is None else before.axes[p] for p in places), channel)


def last_layer(graph: Graph, sources: Sequence[str], target: str) -> str:
    """Return the last tensor with positions that everything on the way from the sources to `target` goes through.

    Before the last linear layer (behind it is the output), with more than one position, and not made by pooling or by
    moving values about, so that positions are as fine as the layer has them. Raises ModelError where there is none, or
    where its axes cannot be followed back to every source (tokens).
    """
    require_path(graph, sources, [target], "explain another output")
    ways = {source: positions(graph, source) for source in sources}
    for tensor in reversed(list(_bottlenecks(graph, sources, target))):
        found = [ways[source].get(tensor.name) for source in sources]
        known = [way for way in found if way is not None and way.known]
        if len(known) == len(sources):
            if any(tensor.shape[axis] != 1 for axis in known[0].spatial):
                return str(tensor.name)
        elif not _is_flat(tensor) and not any(way is not None and way.channel is None for way in found):
            sizes = " × ".join(str(d) if isinstance(d, int) else "?" for d in tensor.shape or [None])
            raise ModelError(
                f"the last layer before the output, '{tensor.name}' [{sizes}], does not keep the axes of "
                f"{', '.join(sources)}, so where its positions are is not known; name an earlier layer in `layer`, or "
                "one input in `wrt` where there are several"
            )
    raise ModelError(
        f"no layer with positions lies between {', '.join(sources)} and '{target}' that everything goes through; a "
        "class activation map needs a convolutional network, or a tensor of one in `layer`"
    )


def _is_flat(tensor: Tensor) -> bool:
    """True for a vector per row."""
    return tensor.shape is not None and sum(size != 1 for size in tensor.shape[1:]) <= 1


def _bottlenecks(graph: Graph, sources: Sequence[str], target: str) -> Iterator[Tensor]:
    """Yield, in order, the tensors before the last linear layer that are the only way from what comes before them."""
    nodes = between(graph, sources, [target])
    last = {name for name, roles in linear_roles(graph, sources, target).items() if "last_linear" in roles}
    used: dict[str, int] = {}
    for index, node in enumerate(nodes):
        used |= {t.name: index for t in inputs_of(node) if carries(t)}
    furthest = max((used.get(name, -1) for name in sources), default=-1)
    on_path = {t.name for node in nodes for t in node.outputs}
    for index, node in enumerate(nodes):
        if node.name in last:
            return
        made = [t for t in node.outputs if t.name in on_path and t.name in used]
        if furthest <= index and len(made) == 1 and node.op not in NO_LAYER:
            yield made[0]
        furthest = max([furthest, *(used[t.name] for t in made)])
