"""Which operators of a program a provider has no kernel for: ONNX Runtime itself names only the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, shape_inference

from onnxpath.runtime.providers import Offer

NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
NARROW = (TensorProto.BFLOAT16, TensorProto.FLOAT16, TensorProto.DOUBLE)
MOST = 5


def without_kernel(model: onnx.ModelProto, options: ort.SessionOptions, providers: Sequence[Offer]) -> str:
    """Return "Conv in bfloat16 (node 'a' and 3 more), ..." for what these providers cannot run, "" where all runs.

    Asks with a model of one node for each operator and dtypes of its inputs, among those not in float32.
    """
    typed = shape_inference.infer_shapes(model)
    infos = {v.name: v for v in [*typed.graph.input, *typed.graph.value_info, *typed.graph.output]}
    infos |= {t.name: helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in typed.graph.initializer}
    groups: dict[tuple[str, str], list[onnx.NodeProto]] = {}
    for node in typed.graph.node:
        known = all(name in infos for name in [*node.input, *node.output] if name)
        dtypes = tuple(infos[name].type.tensor_type.elem_type if name else 0 for name in node.input) if known else ()
        if narrow := [d for d in dtypes if d in NARROW]:
            dtype = str(helper.tensor_dtype_to_np_dtype(narrow[0]))
            groups.setdefault((node.op_type, dtype), []).append(node)
    found = []
    for (operator, dtype), nodes in groups.items():
        if not _runs(typed, nodes[0], infos, options, providers):
            more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
            found.append(f"{operator} in {dtype} (node '{nodes[0].name}'{more})")
    return ", ".join(found[:MOST]) + (f" and {len(found) - MOST} more" if len(found) > MOST else "")


def _runs(
    model: onnx.ModelProto,
    node: onnx.NodeProto,
    infos: Mapping[str, onnx.ValueInfoProto],
    options: ort.SessionOptions,
    providers: Sequence[Offer],
) -> bool:
    inputs = [infos[name] for name in dict.fromkeys(node.input) if name]
    graph = helper.make_graph([node], node.name, inputs, [infos[name] for name in node.output if name])
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        ort.InferenceSession(alone.SerializeToString(), options, providers=providers)
    except Exception as error:
        # Alone it may fail for other reasons: a shape that must be a constant, say.
        return NOT_IMPLEMENTED not in str(error)
    return True
