"""A layer of a network under a method that weighs its activations, and what comes of them on the sources' positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onnxpath.attribution.spelling import Spelling
from onnxpath.errors import ModelError, unknown
from onnxpath.graph.embeddings import named_sources
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, Tensor
from onnxpath.graph.positions import Positions, last_layer, positions

INTERPOLATE = {
    "linear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
}
"""Option -> what Resize is told; both as torch's `interpolate` does it, without aligned corners."""

MOST_AXES = 3
"""Axes of positions that Resize interpolates over."""


def chosen_layer(graph: Graph, sources: Sequence[str], target: str, layer: str | None) -> str:
    """Return the layer that is asked for, default the last one with positions; ModelError, UnknownName."""
    return last_layer(graph, sources, target) if layer is None else named_sources(graph, [layer])[0]


@dataclass(frozen=True)
class LayerMap:
    """Activations and gradients of one layer in the graph of a spelling.

    ways: source -> what the layer's axes count there.
    """

    spelling: Spelling
    name: str
    ways: dict[str, Positions]

    @classmethod
    def begin(cls, spelling: Spelling, layer: str | None) -> LayerMap:
        """Begin the graph of a spelling with a layer kept.

        layer: a float tensor, default the last one with positions. Raises UnknownName; ModelError where there is none,
        or where the positions of the one that is named cannot be followed back to every source.
        """
        graph, sources = spelling.setup.model.graph, spelling.sources
        name = chosen_layer(graph, sources, spelling.setup.logits, layer)
        ways = {source: positions(graph, source).get(name) for source in sources}
        known = {source: way for source, way in ways.items() if way is not None and way.known}
        if lost := [source for source in sources if source not in known or not known[source].spatial]:
            raise ModelError(
                f"where the positions of '{name}' are in {', '.join(lost)} is not known: its axes are not those of the "
                "input any more, or it has none but rows and channels; name another tensor in `layer`, or the inputs "
                "that it belongs to in `wrt`"
            )
        if len(known[sources[0]].spatial) > MOST_AXES:
            raise ModelError(f"'{name}' has more than {MOST_AXES} axes of positions, too many to interpolate over")
        spelling.begin(keep=[name])
        return cls(spelling, name, known)

    @property
    def op(self) -> Emitter:
        """The emitter of the spelling."""
        return self.spelling.op

    @cached_property
    def activation(self) -> Tensor:
        """The layer's values, [N, channels, positions...]."""
        return self._in_order(self.spelling.graph.tensor(self.name))

    @cached_property
    def gradient(self) -> Tensor:
        """The gradient of the target by them, of the same shape."""
        return self._in_order(self.spelling.gradients(wrt=[self.name])[self.name])

    def mean(self, x: Tensor) -> Tensor:
        """Average over positions, which are kept as axes of size 1."""
        mean: Tensor = self.op.ReduceMean(x, self.places, keepdims=1)
        return mean

    def sum(self, x: Tensor) -> Tensor:
        """Add up over positions, which are kept as axes of size 1."""
        total: Tensor = self.op.ReduceSum(x, self.places, keepdims=1)
        return total

    @property
    def places(self) -> list[int]:
        """The axes of positions of `activation` and `gradient`."""
        return list(range(2, 2 + len(self._any.spatial)))

    def on_sources(self, weighted: Tensor, relu: bool, interpolate: str) -> dict[str, Tensor]:
        """Add up over channels and interpolate to each source's positions.

        weighted: [N, channels, positions...]; relu: drop what is below zero, before interpolation. The results have the
        sources' axes, the channels' of size 1. Raises UnknownName (interpolate: a key of INTERPOLATE).
        """
        if interpolate not in INTERPOLATE:
            raise unknown("interpolation", [interpolate], INTERPOLATE)
        with self.op.serving(self.name, "cam"):
            summed = self.op.ReduceSum(weighted, [1], keepdims=1)
            summed = self.op.Relu(summed) if relu else summed
        return {source: self._on(source, summed, interpolate) for source in self.ways}

    def _on(self, source: str, summed: Tensor, interpolate: str) -> Tensor:
        op, way, x = self.op, self.ways[source], self.spelling.graph.tensor(source)
        at = [axis for i in way.spatial if (axis := way.axes[i]) is not None]
        line = len(at) == 1
        with op.serving(source, "cam"):
            known = [x.shape[axis] for axis in at]
            sizes = op.const(known) if all(isinstance(d, int) for d in known) else op.Gather(op.Shape(x), op.const(at))
            # ONNX Runtime has no linear Resize over one axis.
            wide = op.Unsqueeze(summed, [2]) if line else summed
            sized = op.Concat([1], sizes, axis=0) if line else sizes
            axes = list(range(2, 4 if line else 2 + len(at)))
            sized_up = op.Resize(wide, None, None, sized, axes=axes, **INTERPOLATE[interpolate])
            flat = op.Squeeze(sized_up, [1, 2] if line else [1])
            order = np.argsort(at).tolist()
            flat = flat if order == sorted(order) else op.Transpose(flat, perm=[0, *(1 + i for i in order)])
            single = [axis for axis in range(1, len(x.shape)) if axis not in at]
            made = op.Unsqueeze(flat, single) if single else flat
            # A Resize to sizes along some axes forgets what the others are called.
            made.shape = [1 if axis in single else d for axis, d in enumerate(x.shape)]
            return made

    @property
    def _any(self) -> Positions:
        return next(iter(self.ways.values()))

    def _in_order(self, x: Tensor) -> Tensor:
        way, wide = self._any, self.spelling.wide(x)
        perm = [way.axes.index(0), way.channel or 0, *way.spatial]
        return wide if perm == sorted(perm) else self.op.Transpose(wide, perm=perm)
