"""Strided depthwise convolutions on blocked pictures have a spelling of their own; the other one is its oracle."""

from itertools import product

import numpy as np
import onnx
import pytest

import onnxpath
from tests.check import provider

WINDOWS = list(
    product(
        [[3, 3], [5, 5], [2, 3], [1, 1]],  # kernel
        [[2, 2], [1, 2], [3, 2]],  # strides
        [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [2, 1, 0, 1]],  # pads
        [[1, 1], [2, 1]],  # dilations
    )
)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(13, 14), (12, 9)], ids=str)
def test_strided_depthwise(window, size):
    kernel, strides, pads, dilations = window
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]>'
        f"m (float[N, 16, {size[0]}, {size[1]}] x, float[16, 1, {kernel[0]}, {kernel[1]}] w) => (float[N, 16, P, Q] y)"
        f"{{ y = Conv<strides = {strides}, pads = {pads}, dilations = {dilations}, group = 16>(x, w) }}"
    )
    rng = np.random.default_rng(0)
    feeds = {
        "x": rng.standard_normal((3, 16, *size), np.float32),
        "w": rng.standard_normal((16, 1, *kernel), np.float32),
    }
    feeds["grad_y"] = rng.standard_normal(provider(model, feeds)["y"].shape, np.float32)
    found, expected = (
        provider(onnxpath.gradient_graph(model, wrt=["x"], provider=name), feeds)["grad_x"] for name in ("cpu", "cuda")
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_runs_on_the_cpu_stays_blocked():
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        "m (float[N, 16, 8, 8] x, float[16, 1, 3, 3] w) => (float[N, 16, 4, 4] y)"
        "{ y = Conv<strides = [2, 2], pads = [1, 1, 1, 1], group = 16>(x, w) }"
    )
    operators = {
        name: [node.op_type for node in onnxpath.gradient_graph(model, wrt=["x"], provider=name).graph.node]
        for name in ("cpu", "cuda")
    }
    assert "Resize" in operators["cpu"] and "ConvTranspose" not in operators["cpu"]
    assert "ConvTranspose" in operators["cuda"]
