"""Pooling with ceil_mode, where ONNX's shape inference and ONNX Runtime count windows differently."""

from __future__ import annotations

from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Graph, Node
from onnxpath.graph.subgraphs import scopes


def settle_ceilings(graph: Graph) -> None:
    """Write pads and no ceil_mode where a last window would begin behind the input.

    ONNX Runtime, like torch, makes no such window, and ONNX's inference counts it, so every shape behind it would be
    declared wrong. MaxPool, and AveragePool that leaves padding out of its count, are the same with their end padded to
    what the windows reach; others stay as they are.
    """
    for node in [node for body in scopes(graph.body) for node in body.nodes]:
        ends = _ends(node) if node.op in ("MaxPool", "AveragePool") and node.attrs.get("ceil_mode") else None
        if ends is not None:
            kernel = node.attrs["kernel_shape"]
            node.attrs["pads"] = [*(node.attrs.get("pads") or [0] * 2 * len(kernel))[: len(kernel)], *ends]
            node.attrs["ceil_mode"] = 0
            # The next pool's size depends on this one's.
            infer_shapes(graph)


def _ends(node: Node) -> list[int] | None:
    """The padding at the end that makes ONNX Runtime's windows without ceil_mode; None where nothing needs it."""
    kernel = node.attrs["kernel_shape"]
    n = len(kernel)
    pads, strides, dilations = (node.attrs.get(k) for k in ("pads", "strides", "dilations"))
    pads, strides, dilations = pads or [0] * 2 * n, strides or [1] * n, dilations or [1] * n
    sizes = node.inputs[0].shape[2:] if node.inputs[0].shape is not None else [None]
    if not all(isinstance(size, int) for size in sizes) or node.attrs.get("count_include_pad"):
        return None
    ends, dropped = [], False
    for i, (size, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        reach = (k - 1) * d + 1
        windows = -(-(size + pads[i] + pads[i + n] - reach) // s) + 1
        if (windows - 1) * s >= size + pads[i]:
            windows, dropped = windows - 1, True
        ends.append(max((windows - 1) * s + reach - size - pads[i], 0))
    fits = all(end < k for end, k in zip(ends, kernel, strict=True))
    return ends if dropped and fits else None
