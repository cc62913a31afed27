"""The cut where the scores are: a program, so that contributions and masks never leave the device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import dtype_of
from onnxpath.graph.ir import Graph, onnx_dtype
from onnxpath.lowering.cast import accumulator
from onnxpath.lowering.largest import threshold
from onnxpath.pathway.programs import SCORE, Setup, mask_name
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.runtime.session import Array, Session, on_host

KEEP, KEPT, LARGEST = "keep", "kept_", "largest"


def select_on_device(
    setup: Setup, scores: Mapping[str, Any], sparsity: float, scope: str
) -> tuple[dict[str, Array], dict[str, Any], Array]:
    """Cut as `select` does; return layer -> bool on the host, mask input -> mask on the device, [N] largest scores.

    scores: layer -> signed scores as device values. The largest score tells whether all are finite.
    """
    check_cut(sparsity, scope)
    counts = [math.prod(scores[layer.name].shape()[1:]) for layer in setup.layers]
    pools = [sum(counts)] if scope == "global" else counts
    keep = np.asarray([round((1 - sparsity) * count) for count in pools], np.int64)
    program = cut_program(setup, scope)
    values = program.run_on_device({KEEP: keep, **{SCORE + layer.name: scores[layer.name] for layer in setup.layers}})
    kept = {name: on_host(value) for name, value in drop_prefix(values, KEPT).items()}
    masks = {mask_name(layer): values[mask_name(layer)] for layer in setup.layers}
    return kept, masks, on_host(values[LARGEST])


def cut_program(setup: Setup, scope: str) -> Session:
    """`score_<layer>` and `keep` (how many, per pool) -> `kept_<layer>` (bool), `mask_<layer>` and `largest`."""
    return setup.session("cut", lambda: cut_graph(setup, scope).to_model(), scope)


def cut_graph(setup: Setup, scope: str) -> Graph:
    """Return the graph of `cut_program`."""
    graph = Graph(gs.Graph(opset=setup.model.graph.opset, name="cut"))
    op = Emitter(graph, setup.model.provider)
    keep = op.add_input(KEEP, "int64", [None])
    tensors = setup.model.graph.tensors()
    given = {
        n.name: op.add_input(SCORE + n.name, dtype_of(accumulator(tensors[n.name])), tensors[n.name].shape)
        for n in setup.layers
    }
    sizes = {name: op.Abs(score) for name, score in given.items()}
    flat = {name: op.Cast(op.Reshape(size, [0, -1]), to=onnx.TensorProto.FLOAT) for name, size in sizes.items()}
    pools = [list(flat)] if scope == "global" else [[name] for name in flat]
    largest = []
    for index, pool in enumerate(pools):
        joined = op.Concat(*(flat[name] for name in pool), axis=1) if len(pool) > 1 else flat[pool[0]]
        tau = threshold(op, joined, op.Gather(keep, op.const([index])))
        largest.append(op.ReduceMax(joined, [1], keepdims=1))
        for name in pool:
            kept = op.reshape_like(op.Greater(flat[name], tau), given[name])
            op.add_output(kept, KEPT + name)
            mask = op.Cast(kept, to=onnx_dtype(tensors[name]))
            op.add_output(mask, mask_name(next(n for n in setup.layers if n.name == name)))
    total = op.Concat(*largest, axis=1) if len(largest) > 1 else largest[0]
    op.add_output(op.ReduceMax(total, [1], keepdims=0), LARGEST)
    return graph
