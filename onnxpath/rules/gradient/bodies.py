"""Operators that the ONNX standard itself spells by a function body: their gradient is the body's."""

from __future__ import annotations

import onnx
from onnx import helper
from onnx.inliner import inline_selected_functions
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter

from onnxpath.graph.canonize import load_graph
from onnxpath.graph.ir import onnx_dtype
from onnxpath.rules.gradient.table import gradient

BODIES = ("RotaryEmbedding", "Attention")
"""No overflow, no Loop, and no slower than a rule would be; the forward node keeps its own kernel."""


def spelled_by_schema(operator):
    """Return the forward spelling of an operator by its function body."""

    def spell(op, *inputs, **attributes):
        names = [f"input_{i}" if t is not None else "" for i, t in enumerate(inputs)]
        outputs = [f"output_{i}" for i in range(len(op.given) - op.given[::-1].index(True))]
        given = {name: t for name, t in zip(names, inputs, strict=True) if t is not None}
        node = helper.make_node(operator, names, outputs)
        node.attribute.extend(OnnxExporter.export_attributes(attributes))
        graph = helper.make_graph(
            [node],
            operator,
            [helper.make_tensor_value_info(n, onnx_dtype(t), t.shape) for n, t in given.items()],
            [helper.make_empty_tensor_value_info(n) for n in outputs],
        )
        opset = [helper.make_opsetid("", op.graph.opset)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=10)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        body = inline_selected_functions(model, [("", operator)], inline_schema_functions=True)
        made = op.inline(load_graph(body), given)
        return tuple(made[name] for name in outputs)

    return spell


for _operator in BODIES:
    gradient.expansion(_operator)(spelled_by_schema(_operator))
