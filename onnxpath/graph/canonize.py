"""Named passes that bring any model into the one form that the rest of onnxpath works on."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnx.inliner import inline_local_functions

from onnxpath.errors import ModelError, UnsupportedOperator
from onnxpath.graph.ceilings import settle_ceilings
from onnxpath.graph.expansions import expand_operators
from onnxpath.graph.fold import choose_branches, fold_constants, lift_constants
from onnxpath.graph.importer import import_model
from onnxpath.graph.infer import infer_shapes
from onnxpath.graph.ir import Constant, Graph, Node, numpy_dtype, onnx_dtype
from onnxpath.graph.load import read_model
from onnxpath.graph.loops import simplify_loops
from onnxpath.graph.quantised import merge_pairs
from onnxpath.graph.recurrent import put_time_first
from onnxpath.graph.sequences import resolve_sequences
from onnxpath.graph.subgraphs import scopes

WINDOWED = {"Conv", "MaxPool", "AveragePool", "LpPool"}


def load_graph(source: Any, keep: Collection[str] = ()) -> Graph:
    """Load a model and canonize it: working opset, functions inlined, constants lifted and folded, pads explicit.

    source: path, bytes or ModelProto; keep: initializers that folding must leave in place.
    Raises ModelError, UnsupportedOperator (unknown operators, all listed).
    """
    try:
        return _canonized(read_model(source), keep)
    except UnicodeDecodeError as error:
        # Protobuf looks at a text when it is read, not when the file is.
        raise ModelError(f"the model holds a name or a text that is not UTF-8 ({error}); export it again") from error


def _canonized(model: onnx.ModelProto, keep: Collection[str]) -> Graph:
    if model.functions:
        model = inline_local_functions(model)
    graph = import_model(model)
    lift_constants(graph)
    match_dtypes(graph)
    put_time_first(graph)
    expand_operators(graph)
    fixed = {*keep, *graph.initializer_inputs}
    fold_constants(graph, fixed)
    choose_branches(graph, fixed)
    resolve_sequences(graph)
    simplify_loops(graph)
    make_pads_explicit(graph)
    settle_ceilings(graph)
    merge_pairs(graph)
    graph.cleanup()
    infer_shapes(graph)
    return graph


ALIKE = {"Clip": (1, 2), "Pad": (2,)}
"""Inputs that have the dtype of the first one."""


def match_dtypes(graph: Graph) -> None:
    """Give bounds and fill values the dtype of what they serve: onnx's version converter makes them float32 always."""
    for node in [node for body in scopes(graph.body) for node in body.nodes]:
        for index in ALIKE.get(node.op, ()):
            value = node.inputs[index] if index < len(node.inputs) else None
            wanted = onnx_dtype(node.inputs[0])
            if isinstance(value, Constant) and wanted and onnx_dtype(value) != wanted:
                with np.errstate(over="ignore"):
                    matched = value.values.astype(numpy_dtype(node.inputs[0]))
                node.inputs[index] = Constant(f"{node.name}/{value.name}", matched)


def make_pads_explicit(graph: Graph) -> None:
    """Replace `auto_pad` of Conv and pooling by pads."""
    for node in [node for body in scopes(graph.body) for node in body.nodes]:
        mode = node.attrs.pop("auto_pad", "NOTSET") if node.op in WINDOWED else "NOTSET"
        if mode in ("NOTSET", ""):
            continue
        kernel = node.attrs.get("kernel_shape") or list(node.inputs[1].shape[2:])
        node.attrs["kernel_shape"] = kernel
        node.attrs["pads"] = [0] * 2 * len(kernel)
        if mode != "VALID":
            node.attrs["pads"] = _same_pads(node, kernel, mode == "SAME_UPPER")


def _same_pads(node: Node, kernel: list[int], upper: bool) -> list[int]:
    sizes = node.inputs[0].shape[2:] if node.inputs[0].shape is not None else [None] * len(kernel)
    strides = node.attrs.get("strides") or [1] * len(kernel)
    dilations = node.attrs.get("dilations") or [1] * len(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    begin, end = [], []
    for size, stride, extent in zip(sizes, strides, reach, strict=True):
        if not isinstance(size, int) and stride != 1:
            raise UnsupportedOperator(
                f"node '{node.name}' ({node.op}) has auto_pad with stride {stride} over a size that is open until "
                "run time, so its padding cannot be written down; export the model with explicit pads or a fixed size"
            )
        total = extent - 1 if stride == 1 else max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
        small, large = total // 2, total - total // 2
        begin.append(small if upper else large)
        end.append(large if upper else small)
    return begin + end


def fold_batch_normalization(graph: Graph, keep: Collection[str] = ()) -> int:
    """Fold each BatchNormalization into the Conv, ConvTranspose, Gemm or MatMul before it; return how many.

    keep: names of initializers that a gradient is asked for; what reads them is left alone.
    """
    folded = 0
    for node in list(graph.nodes):
        layer = _foldable_layer(graph, node, keep)
        if layer is None:
            continue
        scale, bias, mean, var = (np.asarray(t.values, np.float64) for t in node.inputs[1:5])
        weight = layer.inputs[1]
        factor = scale / np.sqrt(var + node.attrs.get("epsilon", 1e-5))
        old = np.asarray(layer.inputs[2].values, np.float64) if len(layer.inputs) > 2 else 0.0
        dtype = numpy_dtype(weight)
        shape = [1] * len(weight.shape)
        shape[_output_axis(layer)] = -1
        new = [weight.values * factor.reshape(shape), bias + (old - mean) * factor]
        # Named after the node, not the weight: two normalizations may fold into one shared weight.
        names = [f"{node.name}/folded_weight", f"{node.name}/folded_bias"]
        layer.inputs = [layer.inputs[0], *(Constant(n, v.astype(dtype)) for n, v in zip(names, new, strict=True))]
        layer.op = "Gemm" if layer.op == "MatMul" else layer.op
        output = node.outputs[0]
        node.outputs.clear()
        layer.outputs = [output]
        folded += 1
    graph.cleanup()
    return folded


def _foldable_layer(graph: Graph, node: Node, keep: Collection[str]) -> Node | None:
    if node.op != "BatchNormalization" or len(node.outputs) != 1 or node.attrs.get("training_mode", 0):
        return None
    source = node.inputs[0]
    layer = source.inputs[0] if source.inputs else None
    if layer is None or len(source.outputs) != 1 or source.name in {t.name for t in graph.outputs}:
        return None
    constants = [*node.inputs[1:5], *layer.inputs[1:]]
    free = _takes_factors(layer) and all(isinstance(t, Constant) and t.name not in keep for t in constants)
    apart = len({t.name for t in layer.inputs[1:]}) == len(layer.inputs) - 1
    return layer if free and apart and _sizes_fit(layer, node) else None


def _sizes_fit(layer: Node, normalization: Node) -> bool:
    """True where a layer puts out as many channels as are normalized: a broken file may tell otherwise."""
    weight, axis = layer.inputs[1], _output_axis(layer)
    if len(weight.shape) <= axis:
        return False
    sizes = {math.prod(t.shape) for t in [*normalization.inputs[1:5], *layer.inputs[2:]]}
    return sizes <= {weight.shape[axis], 1}


def _takes_factors(layer: Node) -> bool:
    """True where a factor for each channel that a layer puts out can become part of its weight and bias."""
    if layer.op == "ConvTranspose":
        return bool(layer.attrs.get("group", 1) == 1)
    if layer.op == "MatMul":
        return all(t.shape is not None and len(t.shape) == 2 for t in layer.inputs)
    return layer.op == "Conv" or (layer.op == "Gemm" and float(layer.attrs.get("beta", 1.0)) == 1.0)


def _output_axis(layer: Node) -> int:
    """Return the axis of a weight that counts what the layer puts out."""
    return 0 if layer.op == "Conv" or (layer.op == "Gemm" and layer.attrs.get("transB", 0)) else 1
