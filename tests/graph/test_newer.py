"""Models of an opset that is newer than the runtime's."""

import onnx
import pytest

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.canonize import load_graph

NEW = onnx.defs.onnx_opset_version()
needs_28 = pytest.mark.skipif(NEW < 28, reason="the installed onnx package knows no opset 28")


def load(nodes, inputs="float[2, 8, 4, 4] x", opset=28):
    text = f'<ir_version: 10, opset_import: ["": {opset}]> m ({inputs}) => (float y) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return load_graph(model)


def operators(graph):
    return {node.op for node in graph.nodes}


@needs_28
def test_later_operators_are_spelled_by_their_bodies():
    graph = load("y = SwiGLU(x, x)")
    assert graph.opset == 26 and graph.file_opset == 28
    assert "SwiGLU" not in operators(graph) and "Mul" in operators(graph)


@needs_28
def test_a_later_attribute_at_its_default_is_dropped():
    graph = load('y = SpaceToDepth<blocksize = 2, mode = "DCR">(x)')
    assert operators(graph) == {"SpaceToDepth"} and "mode" not in graph.nodes[0].attrs


@needs_28
def test_a_later_attribute_is_spelled_out():
    assert "SpaceToDepth" not in operators(load('y = SpaceToDepth<blocksize = 2, mode = "CRD">(x)'))


@needs_28
def test_omitted_inputs_stay_omitted():
    nodes = "y, s = CausalConvWithState(x, w, , p)"
    graph = load(nodes, "float[2, 3, 5] x, float[3, 1, 2] w, float[2, 3, 1] p")
    assert "Conv" in operators(graph)


def test_an_opset_of_the_future_is_refused():
    with pytest.raises(UnsupportedOperator, match=f"opset {NEW + 9}, and the installed onnx package knows {NEW}"):
        load("y = Relu(x)", opset=NEW + 9)
