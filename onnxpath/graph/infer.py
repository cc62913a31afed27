"""Shape inference without moving the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import shape_inference

from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph, Tensor, Variable
from onnxpath.graph.scope import every_graph
from onnxpath.graph.sizes import INVENTED as INVENTED
from onnxpath.graph.sizes import name_sizes
from onnxpath.graph.subgraphs import scopes

ROUNDS = 8
"""How often the states of nested loops may be looked at again before their sizes count as settled."""


def infer_shapes(graph: Graph) -> None:
    """Set dtype and shape of every tensor that onnx's inference can tell; sizes it cannot tell get a name each.

    Data propagation is on, so that a Reshape to a computed shape keeps its symbolic dimensions. Subgraphs are inferred
    too; the state of a Loop has the sizes that an iteration does not change.
    """
    # Shapes that the file declares would win over what is inferred, and exporters declare them loosely.
    loops = [node for body in scopes(graph.body) for node in body.nodes if node.op == "Loop"]
    # Nothing tells the rank of a Loop's counter and condition but their declaration.
    known = {t.name for t in graph.inputs} | {t.name for loop in loops for t in loop.attrs["body"].inputs[:2]}
    tensors = graph.tensors_of_all_scopes()
    declared = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Variable) and name not in known and tensor.shape is not None:
            # A symbol that an earlier inference invented may be invented again for another size.
            declared[name] = [None if str(d).startswith(INVENTED) else d for d in tensor.shape]
            tensor.shape = None
    state_defaults(graph)
    _infer(graph, tensors)
    for _ in range(ROUNDS):
        if not settle_loops(graph) | settle_normalizations(graph):
            break
        _infer(graph, tensors)
    for name, shape in declared.items():
        if tensors[name].shape is None:
            tensors[name].shape = shape
    name_sizes(graph)


def _infer(graph: Graph, tensors: dict[str, Tensor]) -> None:
    try:
        inferred = shape_inference.infer_shapes(graph.to_model(weights=False, lifted=False), data_prop=True)
    except shape_inference.InferenceError as error:
        raise ModelError(f"the shapes of the model contradict each other: {error}") from error
    for scope in every_graph(inferred.graph):
        given = scope.input if scope is not inferred.graph else ()
        for value in [*given, *scope.value_info, *scope.output]:
            tensor = tensors.get(value.name)
            if isinstance(tensor, Variable):
                _apply(tensor, value.type)


def settle_loops(graph: Graph) -> bool:
    """Give the states of every Loop the sizes that no iteration changes; True where that changed something.

    onnx's inference forgets them all, because an iteration may change them.
    """
    changed = False
    for loop in [node for body in scopes(graph.body) for node in body.nodes if node.op == "Loop"]:
        states = loop.inputs[2:]
        body = loop.attrs["body"]
        for initial, entering, leaving, final in zip(
            states, body.inputs[2:], body.outputs[1:], loop.outputs, strict=False
        ):
            if initial.shape is None:
                continue
            shape = _common(initial.shape, leaving.shape)
            changed |= entering.shape != shape or (bool(final.name) and final.shape != shape)
            entering.shape = shape
            if final.name:
                final.shape = shape
    return changed


def state_defaults(graph: Graph) -> None:
    """Write out the default of STFT's `onesided`, which onnx's inference takes for 0 where it is left out."""
    for node in [node for body in scopes(graph.body) for node in body.nodes if node.op == "STFT"]:
        node.attrs.setdefault("onesided", 1)


def settle_normalizations(graph: Graph) -> bool:
    """Give GroupNormalization its input's shape, which onnx cannot infer; True where that changed something."""
    changed = False
    for node in [node for body in scopes(graph.body) for node in body.nodes if node.op == "GroupNormalization"]:
        source, made = node.inputs[0], node.outputs[0]
        if made.shape is None and source.shape is not None:
            made.shape, made.dtype, changed = list(source.shape), source.dtype, True
    return changed


def _common(before: Sequence[Any], after: Sequence[Any] | None) -> list[Any] | None:
    """The sizes that two shapes share; what is not known yet is taken to be the same."""
    if after is None:
        return list(before)
    if len(before) != len(after):
        return None
    return [a if a == b else None for a, b in zip(before, after, strict=True)]


def _apply(tensor: Variable, kind: onnx.TypeProto) -> None:
    if kind.HasField("sequence_type"):
        tensor.type = "sequence_type"
        kind = kind.sequence_type.elem_type
    if not kind.HasField("tensor_type"):
        return
    if kind.tensor_type.elem_type:
        tensor.dtype = dtype_of(kind.tensor_type.elem_type)
    if kind.tensor_type.HasField("shape"):
        tensor.shape = dims_of(kind.tensor_type)


def dims_of(kind: onnx.TypeProto.Tensor) -> list[int | str | None]:
    """Return the sizes of a tensor type: int where known, the symbol where named, else None."""
    return [d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in kind.shape.dim]


def dtype_of(elem_type: int) -> object:
    """Return onnx-graphsurgeon's form of a dtype: numpy's where numpy has it, else the enum."""
    if elem_type in (onnx.TensorProto.BFLOAT16,) or elem_type >= onnx.TensorProto.FLOAT8E4M3FN:
        return elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(elem_type)
