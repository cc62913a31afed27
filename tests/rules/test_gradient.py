"""Every row of the operator table: derivative in float64, kernels in float32, symbolic dimensions."""

from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import helper

import onnxpath
from onnxpath.errors import UnknownRank, UnsupportedOperator
from onnxpath.rules.gradient import gradient
from tests.cases import CASES
from tests.check import check_derivative, check_provider, check_symbolic, close, doubled, provider, reference, to_double

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
BY_DIMS = [(case, dims) for case in CASES for dims in case.dims]


@every_case
def test_derivative(case):
    check_derivative(case, onnxpath.gradient_graph)


@every_case
def test_provider(case):
    check_provider(case, onnxpath.gradient_graph)


@pytest.mark.parametrize(("case", "dims"), BY_DIMS, ids=[f"{case.name}-{dims}" for case, dims in BY_DIMS])
def test_symbolic(case, dims):
    check_symbolic(case, onnxpath.gradient_graph, dims)


FED = {
    op: case
    for case in CASES
    for op in sorted(case.operators)
    if any(not case.tensors[n].initializer for n in case.wrt)
}


@pytest.mark.parametrize("case", FED.values(), ids=lambda case: case.name)
def test_inputs_of_unknown_rank_are_refused_in_words(case):
    model = case.model()
    floats = [v for v in model.graph.input if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    for value in [*model.graph.output, *model.graph.value_info]:
        value.type.tensor_type.ClearField("shape")
    for place, value in enumerate(floats):
        name, value.name = value.name, f"{value.name}_fed"
        model.graph.input.append(helper.make_tensor_value_info(f"shape_of_{name}", onnx.TensorProto.INT64, [None]))
        model.graph.node.insert(place, helper.make_node("Reshape", [value.name, f"shape_of_{name}"], [name]))
    # Where the operator itself tells the rank of what it makes, all is well.
    with suppress(UnknownRank, UnsupportedOperator):
        onnxpath.gradient_graph(model)


RANDOM = {"RandomNormalLike", "RandomUniformLike"}


@pytest.mark.parametrize("operator", sorted(RANDOM))
def test_random_numbers_take_no_more_than_a_shape(operator):
    """The noise that a model draws does not depend on the values: x + noise(x) has the gradient of x."""
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]> m (float[3] x) => (float[3] y) {{ r = {operator}(x) y = Add(x, r) }}'
    )
    ones = np.ones(3, np.float32)
    assert provider(onnxpath.gradient_graph(model), {"x": ones, "grad_y": 2 * ones})["grad_x"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("training", [True, False])
def test_dropout_in_training_passes_what_it_kept(training):
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> m (float[200] x, bool t) => (float[200] y)'
        "<float r = {0.4}> { y, mask = Dropout(x, r, t) }"
    )
    ones = np.ones(200, np.float32)
    values = provider(onnxpath.gradient_graph(model), {"x": ones, "t": np.array(training), "grad_y": ones})
    np.testing.assert_allclose(values["grad_x"], values["y"], rtol=1e-6)
    assert (values["y"] == 0).any() == training


def test_every_rule_has_a_case():
    covered = {operator for case in CASES for operator in case.operators} | RANDOM
    assert not sorted(gradient.operators().keys() - covered)


# The maximum of a window that holds it more than once: the first in scan order takes the whole cotangent.
TIES = {
    "2x2": ("kernel_shape = [2, 2], strides = [2, 2]", [[1, 1, 0, 2], [1, 1, 2, 2]], [[1, 0, 0, 2], [0, 0, 0, 0]]),
    "overlap": ("kernel_shape = [1, 2]", [[3, 3, 3, 0]], [[1, 2, 3, 0]]),
    "zeros after a ReLU": ("kernel_shape = [2, 3]", [[0, 0, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]]),
    "padding never wins": ("kernel_shape = [1, 3], pads = [0, 1, 0, 1], strides = [1, 2]", [[-1, -1, -1]], [[1, 2, 0]]),
    "ceil_mode": ("kernel_shape = [1, 2], strides = [1, 2], ceil_mode = 1", [[5, 5, 5]], [[1, 0, 2]]),
}


@pytest.mark.parametrize(("attributes", "x", "expected"), TIES.values(), ids=TIES.keys())
@pytest.mark.parametrize("dims", ["1, 1, {h}, {w}", "n, 1, {h}, {w}", "n, c, h, w"])
def test_max_pool_gives_a_tie_to_the_first(attributes, x, expected, dims):
    x, expected = (np.array([[rows]], np.float32) for rows in (x, expected))
    shape = dims.format(h=x.shape[2], w=x.shape[3])
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        f"m (float[{shape}] x) => (float[a, b, p, q] y) {{ y = MaxPool<{attributes}>(x) }}"
    )
    y = provider(model, {"x": x})["y"]
    cotangent = np.arange(1, y.size + 1, dtype=np.float32).reshape(y.shape)
    grad = provider(onnxpath.gradient_graph(model), {"x": x, "grad_y": cotangent})["grad_x"]
    np.testing.assert_array_equal(grad, expected)


@every_case
def test_the_reference_computes_what_onnx_runtime_does(case):
    """The oracle itself: forward, in float64, before any gradient."""
    found, expected = reference(case.model(), case.feeds()), provider(case.model(), case.feeds())
    for name in expected:
        assert found[name].dtype == expected[name].dtype
        assert close(found[name], expected[name], 1e-5), f"{case.name}: '{name}'"


@every_case
def test_the_reference_computes_in_float64(case):
    """Values that float32 cannot hold come out as values that float32 cannot hold."""
    feeds = {
        name: array * (1 + 2.0**-40)
        for name, array in doubled(case.feeds(lifted=True)).items()
        if array.dtype.kind == "f"
    }
    outputs = reference(to_double(case.model(lifted=True)), {**case.feeds(lifted=True), **feeds})
    for name, expected in provider(case.model(), case.feeds()).items():
        assert close(outputs[name], expected, 1e-5), f"{case.name}: '{name}' in float64"
        if expected.dtype == np.float32 and np.any(expected):
            assert outputs[name].dtype == np.float64
            assert np.any(outputs[name] != outputs[name].astype(np.float32)), (
                f"{case.name}: '{name}' is computed in float32"
            )


# On a kink, where no derivative exists: the conventions of torch; Clip is taken for ReLU6, flat at both of its bounds.
KINKS = [
    # call, x, gradient for a cotangent of ones
    ("Relu(x)", [0], [0]),
    ("LeakyRelu<alpha = 0.25>(x)", [0], [0.25]),
    ("PRelu(x, quarter)", [0], [0.25]),
    ("Elu<alpha = 0.5>(x)", [0], [0.5]),
    ("Celu(x)", [0], [1]),
    ("HardSigmoid<alpha = 0.5>(x)", [-1, 1], [0, 0]),
    ("HardSwish(x)", [-3, 3], [0, 1]),
    ("Clip(x, zero, six)", [0, 6], [0, 0]),
    ("ThresholdedRelu(x)", [1], [0]),
    ("Shrink(x)", [-0.5, 0.5], [0, 0]),
    ("Abs(x)", [0], [0]),
    ("Max(x, zero)", [0], [0.5]),
    ("Min(x, six)", [6, 5], [0.5, 1]),
    ("ReduceMax(x)", [1, 2, 2], [0, 0.5, 0.5]),
    ("ReduceMin(x)", [1, 1, 2], [0.5, 0.5, 0]),
    ("ReduceL1(x)", [0, 1], [0, 1]),
    ("ReduceL2(x)", [0, 0], [0, 0]),
    ("ReduceProd(x)", [0, 0, 3], [0, 0, 0]),
]


@pytest.mark.parametrize(("call", "x", "expected"), KINKS, ids=[row[0] for row in KINKS])
def test_convention_on_a_kink(call, x, expected):
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]> m (float[{len(x)}] x) => (float[n] y)'
        f"<float zero = {{0}}, float six = {{6}}, float[1] quarter = {{0.25}}> {{ y = {call} }}"
    )
    x = np.array(x, np.float32)
    ones = np.ones_like(provider(model, {"x": x})["y"])
    grad = provider(onnxpath.gradient_graph(model), {"x": x, "grad_y": ones})["grad_x"]
    np.testing.assert_array_equal(grad, np.array(expected, np.float32))
