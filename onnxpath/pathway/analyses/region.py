"""The programs that measure a linear region: what every unit says, and the gradient of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from onnxpath.backward.target import COTANGENT, SEEDS
from onnxpath.backward.walk import backward
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, numpy_dtype
from onnxpath.graph.surgery import mask_layers
from onnxpath.pathway.analyses.kinks import Kink, find_kinks
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.runtime.session import Array, Session

VALUE, POOLED = "value_", "pooled_"


class Region:
    """The linear regions of a network, or of the masked network.

    setup: whose layers are masked; masked: whether they are. Raises UnsupportedOperator where a region cannot be told.
    """

    def __init__(self, setup: Setup, masked: bool) -> None:
        self.setup = setup
        self.masked = masked

    def start(self) -> tuple[Graph, Emitter, list[Kink]]:
        """Return a graph, an emitter on it, and its kinks."""
        graph, op = self.setup.start()
        if self.masked:
            mask_layers(op, self.setup.layers)
        return graph, op, find_kinks(op, self.setup.model.sources, self.setup.logits)

    @cached_property
    def kinks(self) -> list[Kink]:
        """Every node that bends, in order."""
        return self.start()[2]

    def values(self) -> Session:
        """x, masks -> logits, `value_<i>` of every kink's tensor, `pooled_<i>`: spatial sizes behind a pooling."""

        def build() -> onnx.ModelProto:
            graph, op, kinks = self.start()
            for i, kink in enumerate(kinks):
                if kink.pool is not None:
                    op.add_output(op.Shape(kink.pool.outputs[0], start=2), f"{POOLED}{i}")
                op.add_output(op.stand_in(kink.tensor), f"{VALUE}{i}")
            return self.setup.finish(graph, op)

        return self.setup.session("kinks", build, self.masked)

    def gradient(self, index: int) -> Session:
        """x, masks, cotangent of the tensor of kink `index` -> `grad_<source>` of every source."""

        def build() -> onnx.ModelProto:
            graph, op, kinks = self.start()
            tensor, sources = kinks[index].tensor, self.setup.model.sources
            given = graph.tensors()
            grads = backward(op, self.setup.model.rules, {tensor.name: SEEDS[COTANGENT](op, tensor)}, sources)
            for name in sources:
                op.add_output(grads[name] if name in grads else op.zeros_like(given[name]), GRAD + name)
            graph.cleanup()
            graph.inputs[:] = [t for t in graph.inputs if t.outputs]
            return graph.to_model()

        return self.setup.session("kink", build, self.masked, index)

    def gradients(self, index: int, feeds: Mapping[str, Array], cotangents: Array) -> dict[str, Array]:
        """Return source -> gradient of kink `index`'s tensor, under a cotangent for each row of the feeds."""
        found = self.gradient(index).run({**feeds, COTANGENT: cotangents.astype(self.dtypes[index])})
        return {name: found[GRAD + name] for name in self.setup.model.sources}

    @cached_property
    def dtypes(self) -> list[np.dtype[Any]]:
        """The dtype of each kink's tensor."""
        return [numpy_dtype(kink.tensor) for kink in self.kinks]


def repeated(feeds: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """Return feeds of one row, that row again and again; what has no rows stays as it is."""
    return {name: np.repeat(value, rows, 0) if value.ndim else value for name, value in feeds.items()}
