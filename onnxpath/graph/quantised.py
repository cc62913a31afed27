"""Quantised models in QDQ form: what a QuantizeLinear, DequantizeLinear pair stands for."""

from __future__ import annotations

import math

import ml_dtypes

from onnxpath.graph.ir import Constant, Graph, Node, Tensor, array_of, is_variable, numpy_dtype, replace_uses

LINEAR = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"}


def integer_range(tensor: Tensor) -> tuple[int, int] | None:
    """Return the smallest and the largest value of a quantised tensor, None where it is not made of integers."""
    try:
        limits = ml_dtypes.iinfo(numpy_dtype(tensor))  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return int(limits.min), int(limits.max)


def number(parameter: Tensor | None) -> float | None:
    """Return a scale or zero point as a float where it is one number that is known when building, else None.

    An omitted zero point is zero.
    """
    if parameter is None or not parameter.name:
        return 0.0
    known = isinstance(parameter, Constant) and math.prod(parameter.shape) == 1
    return float(array_of(parameter).reshape(-1)[0]) if known else None


def is_quantised_weight(constant: Tensor) -> bool:
    """True for the integers that a DequantizeLinear makes a float constant of."""
    return any(node.op == "DequantizeLinear" and node.inputs[0] is constant for node in constant.outputs)


def varies(tensor: Tensor) -> bool:
    """True for a tensor that is computed or fed, False for a constant, a quantised one included."""
    maker = _maker(tensor)
    quantised = maker is not None and maker.op == "DequantizeLinear" and not is_variable(maker.inputs[0])
    return is_variable(tensor) and not quantised


def folded_relu(node: Node) -> float | None:
    """Return the upper bound of the ReLU that a quantizer folded into a pair, None where there is none.

    node: the DequantizeLinear. Where the zero point is the smallest integer, everything below zero is clipped to zero,
    so a quantizer leaves out the ReLU between a linear layer and the pair.
    """
    quantize = _maker(node.inputs[0])
    if node.op != "DequantizeLinear" or quantize is None or quantize.op != "QuantizeLinear":
        return None
    x, scale, zero = [*quantize.inputs, None][:3]
    limits, origin, step = integer_range(quantize.outputs[0]), number(zero), number(scale)
    if limits is None or step is None or origin != limits[0] or not _is_linear(_maker(x)):
        return None
    return (limits[1] - limits[0]) * step


def before_pair(tensor: Tensor) -> Tensor:
    """Return what was quantised to make a tensor, or the tensor itself where no pair of nodes makes it."""
    dequantize = _maker(tensor)
    quantize = _maker(dequantize.inputs[0]) if dequantize is not None and dequantize.op == "DequantizeLinear" else None
    return quantize.inputs[0] if quantize is not None and quantize.op == "QuantizeLinear" else tensor


def _is_linear(node: Node | None) -> bool:
    if node is None or node.op != "Add":
        return node is not None and node.op in LINEAR
    given = [t for t in node.inputs if varies(t)]
    return len(given) == 2 or (len(given) == 1 and _is_linear(_maker(given[0])))


def _maker(tensor: Tensor) -> Node | None:
    return tensor.inputs[0] if tensor.inputs else None


def merge_pairs(graph: Graph) -> None:
    """Let QuantizeLinear and DequantizeLinear nodes that do the same to one tensor be one node.

    Quantizers may give each consumer a pair of its own; what they quantise is one tensor all the same.
    """
    outputs = {t.name for t in graph.outputs}
    first: dict[tuple[object, ...], Node] = {}
    for node in [n for n in graph.nodes if n.op in ("QuantizeLinear", "DequantizeLinear")]:
        if not is_variable(node.inputs[0]):
            continue
        key = (node.op, *(_content(t) for t in node.inputs), *sorted(node.attrs.items()))
        twin = first.setdefault(key, node)
        if twin is not node and node.outputs[0].name not in outputs:
            replace_uses(node.outputs[0], twin.outputs[0])
    graph.cleanup()


def _content(tensor: Tensor) -> object:
    if isinstance(tensor, Constant):
        values = array_of(tensor)
        return values.dtype.name, values.shape, values.tobytes()
    return tensor.name
