"""Models in other number formats than float32: 16 and 64 bits, mixed, and quantised."""

import logging

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models import input_name


def in_format(model, dtype, keep_ends=False):
    """A copy of a float32 model (path or proto) in another float format.

    dtype: TensorProto.DataType; keep_ends: inputs and outputs stay float32, with Casts between.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model if isinstance(model, onnx.ModelProto) else onnx.load(model))
    tensors = [*made.graph.initializer, *(a.t for node in made.graph.node for a in node.attribute if a.HasField("t"))]
    for tensor in tensors:
        if tensor.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(dtype))
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for attribute in [a for node in made.graph.node for a in node.attribute]:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = dtype
    del made.graph.value_info[:]
    ends = [v for v in (*made.graph.input, *made.graph.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT]
    for value in ends:
        if not keep_ends:
            value.type.tensor_type.elem_type = dtype
    if keep_ends:
        _cast_ends(made.graph, dtype)
    return made


def _cast_ends(graph, dtype):
    weights = {t.name for t in graph.initializer}
    given = [v.name for v in graph.input if v.type.tensor_type.elem_type == TensorProto.FLOAT and v.name not in weights]
    made = [v.name for v in graph.output if v.type.tensor_type.elem_type == TensorProto.FLOAT]
    for node in graph.node:
        for names, ends in ((node.input, given), (node.output, made), (node.input, made)):
            for index, name in enumerate(names):
                if name in ends:
                    names[index] = f"{name}_narrow"
    before = [helper.make_node("Cast", [n], [f"{n}_narrow"], to=dtype, name=f"{n}/narrow") for n in given]
    after = [helper.make_node("Cast", [f"{n}_narrow"], [n], to=TensorProto.FLOAT, name=f"{n}/widen") for n in made]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def quantised(path, folder, x, *, activations="QUInt8", per_channel=False, exclude=(), **options):
    """The path of a model quantised by onnxruntime.quantization in QDQ form, calibrated on the rows of x.

    activations: name of a QuantType; exclude: nodes that stay float; options: the quantizer's extra_options.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Rows(CalibrationDataReader):
        def __init__(self):
            self.rows = iter([{input_name(path): x[i : i + 16]} for i in range(0, len(x), 16)])

        def get_next(self):
            return next(self.rows, None)

    prepared, made = folder / "prepared.onnx", folder / "quantised.onnx"
    logging.disable(logging.WARNING)  # advice for its own users
    try:
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            Rows(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType[activations],
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            nodes_to_exclude=list(exclude),
            extra_options=options,
        )
    finally:
        logging.disable(logging.NOTSET)
    return made


def one_hot(logits):
    """A cotangent that picks the largest entry of each row."""
    seed = np.zeros_like(logits)
    seed[np.arange(len(logits)), logits.argmax(1)] = 1
    return seed
