"""The cut where the scores are: a program, so that contributions and masks never leave the device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import dtype_of
from onnxpath.graph.ir import Graph, Tensor, onnx_dtype
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.lowering.cast import accumulator
from onnxpath.lowering.largest import threshold
from onnxpath.pathway.programs import SCORE, Setup, mask_name
from onnxpath.pathway.select import check_cut
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.runtime.session import Array, Session, on_host

KEEP, KEPT, LARGEST, SUMS = "keep", "kept_", "largest", "sums_"


@dataclass(frozen=True)
class CutOnDevice:
    """masks: layer -> bool on the host; fed: mask input -> mask on the device; largest: [N], tells whether all scores
    are finite; sums: layer -> `channel_sums` on the host, empty where not asked for.
    """

    masks: dict[str, Array]
    fed: dict[str, Any]
    largest: Array
    sums: dict[str, Array]


def select_on_device(
    setup: Setup, scores: Mapping[str, Any], sparsity: float, scope: str, ranked: bool = False
) -> CutOnDevice:
    """Cut as `select` does. scores: layer -> signed scores as device values; ranked: also sum kept ones by channel."""
    check_cut(sparsity, scope)
    counts = [math.prod(scores[layer.name].shape()[1:]) for layer in setup.layers]
    pools = [sum(counts)] if scope == "global" else counts
    keep = np.asarray([round((1 - sparsity) * count) for count in pools], np.int64)
    program = cut_program(setup, scope, ranked)
    values = program.run_on_device({KEEP: keep, **{SCORE + layer.name: scores[layer.name] for layer in setup.layers}})
    kept, sums = (
        {name: on_host(value) for name, value in drop_prefix(values, prefix).items()} for prefix in (KEPT, SUMS)
    )
    fed = {mask_name(layer): values[mask_name(layer)] for layer in setup.layers}
    return CutOnDevice(kept, fed, on_host(values[LARGEST]), sums)


def cut_program(setup: Setup, scope: str, ranked: bool = False) -> Session:
    """`score_<layer>` and `keep` (how many, per pool) -> `kept_<layer>` (bool), `mask_<layer>` and `largest`.

    ranked: also `sums_<layer>`, [N, channels].
    """
    return setup.session("cut", lambda: cut_graph(setup, scope, ranked).to_model(), scope, ranked)


def cut_graph(setup: Setup, scope: str, ranked: bool = False) -> Graph:
    """Return the graph of `cut_program`."""
    graph = Graph(gs.Graph(opset=setup.model.graph.opset, name="cut"))
    op = Emitter(graph, setup.model.provider)
    keep = op.add_input(KEEP, "int64", [None])
    tensors = setup.model.graph.tensors()
    layers = {n.name: n for n in setup.layers}
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
            op.add_output(mask, mask_name(layers[name]))
            if ranked:
                op.add_output(_channel_sums(op, layers[name], sizes[name], kept), SUMS + name)
    total = op.Concat(*largest, axis=1) if len(largest) > 1 else largest[0]
    op.add_output(op.ReduceMax(total, [1], keepdims=0), LARGEST)
    return graph


def _channel_sums(op: Emitter, layer: NeuronLayer, sizes: Tensor, kept: Tensor) -> Tensor:
    others = [axis for axis in range(1, len(layer.shape) + 1) if axis != layer.channel_axis]
    scores = op.Mul(sizes, op.Cast(kept, to=onnx_dtype(sizes)))
    summed: Tensor = op.ReduceSum(scores, others, keepdims=0) if others else scores
    return summed
