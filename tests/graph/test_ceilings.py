"""Shapes of pooling with ceil_mode are those that ONNX Runtime makes, and its values stay the same."""

from itertools import product

import numpy as np
import onnxruntime as ort
import pytest
from onnx import parser

from onnxpath.graph.canonize import load_graph

WINDOWS = list(product([2, 3], [1, 2, 3], [0, 1], [0, 1], [5, 6, 7, 8]))


def run(proto, x):
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(("kernel", "stride", "begin", "end", "size"), WINDOWS)
def test_declared_shapes_are_those_of_the_runtime(operator, kernel, stride, begin, end, size):
    attributes = f"kernel_shape = [{kernel}], strides = [{stride}], pads = [{begin}, {end}], ceil_mode = 1"
    text = f"m (float[N, 2, {size}] x) => (float[N, 2, P] y) {{ p = {operator}<{attributes}>(x) y = Relu(p) }}"
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    graph = load_graph(model)
    x = np.random.default_rng(0).standard_normal((3, 2, size)).astype(np.float32)
    expected = run(model, x)
    np.testing.assert_array_equal(run(graph.to_model(), x), expected)
    assert graph.tensor("y").shape[2] == expected.shape[2]
