"""The programs that measure a linear region: what every unit says, and the gradient of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from onnxpath.backward.target import COTANGENT
from onnxpath.backward.walk import backward
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, numpy_dtype
from onnxpath.graph.surgery import mask_layers
from onnxpath.pathway.analyses.kinks import Kink, find_kinks
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.runtime.program import Program
from onnxpath.runtime.session import Array, Session

VALUE, POOLED = "value_", "pooled_"

PROGRAMS = 64
"""Programs of one region at most."""


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

        def build() -> Program:
            graph, op, kinks = self.start()
            for i, kink in enumerate(kinks):
                if kink.pool is not None:
                    op.add_output(op.Shape(kink.pool.outputs[0], start=2), f"{POOLED}{i}")
                op.add_output(op.stand_in(kink.tensor), f"{VALUE}{i}")
            return self.setup.finish(graph, op)

        return self.setup.session("kinks", build, self.masked)

    @cached_property
    def groups(self) -> list[range]:
        """Places of the kinks that share a program: one each, which has no more nodes than lead there, or all of them.

        A program for each of 1,500 layers takes minutes to make, and one for all of them seconds.
        """
        count = len(self.kinks)
        return [range(count)] if count > PROGRAMS else [range(i, i + 1) for i in range(count)]

    def gradient(self, group: range) -> Session:
        """x, masks, cotangent of the tensor of each kink in the group -> `grad_<source>` of every source."""

        def build() -> onnx.ModelProto:
            graph, op, _ = self.start()
            sources, given = self.setup.model.sources, graph.tensors()
            tensors = [given[name] for name in self._tensors(group)]
            seeds = {t.name: op.add_input(_fed(i), t.dtype, list(t.shape or ())) for i, t in enumerate(tensors)}
            grads = backward(op, self.setup.model.rules, seeds, sources)
            for name in sources:
                op.add_output(grads[name] if name in grads else op.zeros_like(given[name]), GRAD + name)
            graph.cleanup()
            graph.inputs[:] = [t for t in graph.inputs if t.outputs]
            return graph.to_model()

        return self.setup.session("kink", build, self.masked, group)

    def gradients(self, group: range, feeds: Mapping[str, Array], cotangents: Mapping[int, Array]) -> dict[str, Array]:
        """Return source -> sum of the gradients of the kinks' tensors, under a cotangent for each row of the feeds."""
        fed: dict[str, Array] = {}
        places = {name: place for place, name in enumerate(self._tensors(group))}
        for i in group:
            name = _fed(places[self.kinks[i].tensor.name])
            own = cotangents[i].astype(self.dtypes[i])
            fed[name] = fed[name] + own if name in fed else own
        found = self.gradient(group).run({**feeds, **fed})
        return {name: found[GRAD + name] for name in self.setup.model.sources}

    def _tensors(self, group: range) -> list[str]:
        return list(dict.fromkeys(self.kinks[i].tensor.name for i in group))

    @cached_property
    def dtypes(self) -> list[np.dtype[Any]]:
        """The dtype of each kink's tensor."""
        return [numpy_dtype(kink.tensor) for kink in self.kinks]


def _fed(place: int) -> str:
    return f"{COTANGENT}_{place}"


def repeated(feeds: Mapping[str, Array], rows: int) -> dict[str, Array]:
    """Return feeds of one row, that row again and again; what has no rows stays as it is."""
    return {name: np.repeat(value, rows, 0) if value.ndim else value for name, value in feeds.items()}
