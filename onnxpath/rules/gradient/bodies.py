"""Operators that the ONNX standard itself spells by a function body: their gradient is the body's."""

from __future__ import annotations

import onnx
from onnx import helper
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.bodies import DOMAIN, body_of, write_defaults
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.infer import INVENTED
from onnxpath.graph.ir import onnx_dtype
from onnxpath.graph.schema import schema_of
from onnxpath.rules.gradient.table import gradient

BODIES = ("Attention", "CenterCropPad", "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
"""No overflow, no Loop, and no slower than a rule would be; the forward node keeps its own kernel."""


def spelled_by_schema(operator):
    """Return the forward spelling of an operator by its function body."""

    def spell(op, *inputs, **attributes):
        names = [f"input_{i}" if t is not None else "" for i, t in enumerate(inputs)]
        if operator == "Attention":
            refuse_short_mask(op, *inputs)
        given = {name: t for name, t in zip(names, inputs, strict=True) if t is not None}
        schema = schema_of(operator, op.graph.opset)
        outputs = [f"output_{i}" for i in range(len(op.given) - op.given[::-1].index(True))]
        node = helper.make_node(operator, names, outputs)
        node.attribute.extend(OnnxExporter.export_attributes(attributes))
        write_defaults(node, schema)
        types = [helper.make_tensor_type_proto(onnx_dtype(t), t.shape) if t is not None else None for t in inputs]
        body = body_of(schema, node, types, op.graph.opset, operator)
        node.domain = DOMAIN
        graph = helper.make_graph(
            [node],
            operator,
            [helper.make_tensor_value_info(n, onnx_dtype(t), t.shape) for n, t in given.items()],
            [helper.make_empty_tensor_value_info(n) for n in outputs],
        )
        opsets = [helper.make_opsetid("", op.graph.opset), helper.make_opsetid(DOMAIN, 1)]
        spelling = load_graph(helper.make_model(graph, opset_imports=opsets, functions=[body], ir_version=10))
        forget_symbols(spelling, given.values())
        made = op.inline(spelling, given)
        return tuple(made[name] for name in outputs)

    return spell


def refuse_short_mask(op, Q, K, V, attn_mask=None, past_key=None, past_value=None, nonpad_kv_seqlen=None):
    """ONNX fills up a mask that is shorter than the keys; ONNX Runtime's kernel does not run it."""
    sizes = [t.shape[axis] for t, axis in ((attn_mask, -1), (K, -2), (past_key, -2)) if t is not None]
    if attn_mask is not None and all(isinstance(s, int) for s in sizes) and sizes[0] < sum(sizes[1:]):
        raise UnsupportedOperator(
            f"Attention with a mask for {sizes[0]} of {sum(sizes[1:])} keys, which ONNX Runtime does not run; "
            "pad the mask"
        )


def forget_symbols(graph, inputs):
    """Drop the sizes that inference has named, but for those of the inputs: elsewhere the name is of another size."""
    known = {d for t in inputs for d in t.shape or ()}
    for tensor in graph.tensors().values():
        if tensor.shape is not None and not isinstance(tensor, onnx.TensorProto):
            keep = [
                d if isinstance(d, int) or d in known or not str(d).startswith(INVENTED) else None for d in tensor.shape
            ]
            if keep != list(tensor.shape):
                tensor.shape = keep


for _operator in BODIES:
    gradient.expansion(_operator)(spelled_by_schema(_operator))
