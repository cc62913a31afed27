"""Max pooling on pictures that ONNX Runtime keeps blocked has a spelling of its own; the other one is its oracle."""

from itertools import product

import numpy as np
import onnx
import pytest

import onnxpath
from tests.check import provider

WINDOWS = list(
    product(
        [[3, 3], [2, 2], [2, 3], [1, 3]],  # kernel
        [[2, 2], [1, 2], [3, 3]],  # strides
        [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]],  # pads
        [[1, 1], [2, 1]],  # dilations
        [0, 1],  # ceil_mode
    )
)


def models(kernel, strides, pads, dilations, ceil_mode, height, width):
    """The gradient model by axes and by indices."""
    attributes = (
        f"kernel_shape = {kernel}, strides = {strides}, pads = {pads}, dilations = {dilations}, ceil_mode = {ceil_mode}"
    )
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]> m (float[N, 16, {height}, {width}] x) => (float[N, 16, P, Q] y)'
        f"{{ y = MaxPool<{attributes}>(x) }}"
    )
    return model, *(onnxpath.gradient_graph(model, provider=name) for name in ("cpu", "cuda"))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(11, 12), (6, 12)], ids=str)
def test_by_axes_equals_by_indices(window, size):
    """Bit for bit, on values of which most windows hold the maximum several times."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 2, (3, 16, *size)).astype(np.float32)
    model, axes, indices = models(*window, *size)
    y = provider(model, {"x": x})["y"]
    declared = [d.dim_value for d in axes.graph.input[1].type.tensor_type.shape.dim[2:]]
    assert declared == list(y.shape[2:])
    assert not any(node.op_type == "ScatterND" for node in axes.graph.node)
    feeds = {"x": x, "grad_y": rng.integers(1, 100, y.shape).astype(np.float32)}
    np.testing.assert_array_equal(provider(axes, feeds)["grad_x"], provider(indices, feeds)["grad_x"])


def unevenly(value, kernel):
    """A picture of ones with one other value: the gradient for a cotangent of ones, by axes and by indices."""
    _, axes, indices = models(kernel, [2, 2], [0, 0, 0, 0], [1, 1], 0, 8, 8)
    x = np.ones((1, 16, 8, 8), np.float32)
    x[0, 3, 2, 2] = value
    dy = np.ones([d.dim_value or 1 for d in axes.graph.input[1].type.tensor_type.shape.dim], np.float32)
    return [provider(made, {"x": x, "grad_y": dy})["grad_x"] for made in (axes, indices)]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kernel", [[3, 3], [2, 2]], ids=str)
def test_what_is_not_finite_is_not_hidden(value, kernel):
    grad, _ = unevenly(value, kernel)
    assert np.isnan(grad[0, 3]).any() and np.isfinite(np.delete(grad, 3, axis=1)).all()


@pytest.mark.parametrize("kernel", [[3, 3], [2, 2]], ids=str)
def test_what_was_masked_by_minus_infinity_never_wins(kernel):
    grad, expected = unevenly(-np.inf, kernel)
    right = (grad == expected) | np.isnan(grad)
    assert right.all() and grad[0, 3, 2, 2] != 1


@pytest.mark.parametrize("rows", ["N", "3"])
def test_a_wide_window_is_left_to_its_indices(rows):
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]> m (float[{rows}, 16, 9, 9] x) => (float[{rows}, 16, P, Q] y)'
        "{ y = MaxPool<kernel_shape = [7, 7], strides = [2, 2]>(x) }"
    )
    assert "ScatterND" in [node.op_type for node in onnxpath.gradient_graph(model, provider="cpu").graph.node]


def test_a_window_of_one_element():
    _, axes, _ = models([1, 1], [2, 2], [0, 0, 0, 0], [1, 1], 0, 5, 6)
    x = np.ones((2, 16, 5, 6), np.float32)
    grad = provider(axes, {"x": x, "grad_y": np.ones((2, 16, 3, 3), np.float32)})["grad_x"]
    assert (grad[:, :, ::2, ::2] == 1).all() and grad.sum() == grad[:, :, ::2, ::2].sum()
