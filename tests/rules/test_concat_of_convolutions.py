"""The gradient of a Concat that convolutions read: their weights are split, not their gradients."""

import numpy as np
import onnx
import pytest

import onnxpath
from tests.check import provider

MODEL = """
<ir_version: 10, opset_import: ["": 21]>
m (float[N, 16, 6, 6] x, float[32, 48, 1, 1] W, float[32, 48, 3, 3] V) => (float[N, 32, 6, 6] y, float[N, 32, 4, 4] z)
{
    a = Relu(x)
    b = Concat<axis = 1>(x, x)
    c = Concat<axis = 1>(a, b)
    y = Conv(c, W)
    z = Conv(c, V)
}
"""


@pytest.mark.parametrize("of", [["y"], ["y", "z"]], ids=str)
def test_concat_of_convolutions(of):
    model = onnx.parser.parse_model(MODEL)
    rng = np.random.default_rng(0)
    shapes = {"x": (2, 16, 6, 6), "W": (32, 48, 1, 1), "V": (32, 48, 3, 3), "y": (2, 32, 6, 6), "z": (2, 32, 4, 4)}
    values = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    feeds = {name: values[name] for name in "xWV"} | {f"grad_{name}": values[name] for name in of}
    found, expected = (
        onnxpath.gradient_graph(model, wrt=["x"], of=of, provider=provider) for provider in ("cpu", "cuda")
    )
    pictures = {node.output[0] for node in found.graph.node if node.op_type in ("Conv", "Sum")}
    assert not [node.name for node in found.graph.node if node.op_type == "Split" and node.input[0] in pictures]
    np.testing.assert_allclose(
        provider(found, feeds)["grad_x"], provider(expected, feeds)["grad_x"], rtol=1e-4, atol=1e-4
    )
