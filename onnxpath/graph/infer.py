"""Shape inference without moving the weights."""

from __future__ import annotations

import onnx
from onnx import shape_inference

from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph, Variable

INVENTED = "unk__"
"""How onnx's inference begins the symbols that it makes up for unknown sizes."""


def infer_shapes(graph: Graph) -> None:
    """Set dtype and shape of every tensor that onnx's inference can tell; sizes it cannot tell get a name each.

    Data propagation is on, so that a Reshape to a computed shape keeps its symbolic dimensions.
    """
    # Shapes that the file declares would win over what is inferred, and exporters declare them loosely.
    known = {t.name for t in graph.inputs}
    tensors = graph.tensors()
    declared = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Variable) and name not in known and tensor.shape is not None:
            # A symbol that an earlier inference invented may be invented again for another size.
            declared[name] = [None if str(d).startswith(INVENTED) else d for d in tensor.shape]
            tensor.shape = None
    try:
        inferred = shape_inference.infer_shapes(graph.to_model(weights=False), data_prop=True)
    except shape_inference.InferenceError as error:
        raise ModelError(f"the shapes of the model contradict each other: {error}") from error
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        tensor = tensors.get(value.name)
        if isinstance(tensor, Variable) and value.type.HasField("tensor_type"):
            _apply(tensor, value.type.tensor_type)
    for name, shape in declared.items():
        if tensors[name].shape is None:
            tensors[name].shape = shape


def _apply(tensor: Variable, kind: onnx.TypeProto.Tensor) -> None:
    if kind.elem_type:
        tensor.dtype = dtype_of(kind.elem_type)
    if kind.HasField("shape"):
        tensor.shape = dims_of(kind)


def dims_of(kind: onnx.TypeProto.Tensor) -> list[int | str | None]:
    """Return the sizes of a tensor type: int where known, the symbol where named, else None."""
    return [d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in kind.shape.dim]


def dtype_of(elem_type: int) -> object:
    """Return onnx-graphsurgeon's form of a dtype: numpy's where numpy has it, else the enum."""
    if elem_type in (onnx.TensorProto.BFLOAT16,) or elem_type >= onnx.TensorProto.FLOAT8E4M3FN:
        return elem_type
    return onnx.helper.tensor_dtype_to_np_dtype(elem_type)
