"""QuantizeLinear and DequantizeLinear: the straight-through estimator, by formula; nothing silent without it."""

import inspect

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxpath
from onnxpath.errors import ModelError, UnsupportedOperator
from onnxpath.rules.variants import RULE_SETS
from tests.check import provider, reference
from tests.models import operators, parse, relative

STRAIGHT = "straight-through"
RANGES = {"UINT8": (0, 255), "INT8": (-128, 127), "UINT16": (0, 65535), "INT16": (-32768, 32767)}
RANGES |= {"UINT4": (0, 15), "INT4": (-8, 7)}


def pair(dtype, scale, zero, shape, **attributes):
    """x -> QuantizeLinear -> DequantizeLinear -> y, with s and z as initializers."""
    code = TensorProto.DataType.Value(dtype)
    scale = np.asarray(scale, np.float32)
    weights = [numpy_helper.from_array(scale, "s")]
    weights += [helper.make_tensor("z", code, np.shape(zero), np.ravel(zero).tolist())]
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="q", **attributes),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], name="d", **attributes),
        ],
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def estimate(x, dy, scale, zero, dtype):
    """The definition: dy where x / scale + zero lies inside the range, or rounds to an end of it that is not zero."""
    low, high = RANGES[dtype]
    place = x.astype(np.float64) / scale + zero
    low, high = low - np.where(zero == low, 0, 0.5), high + np.where(zero == high, 0, 0.5)
    return np.where((place >= low) & (place <= high), dy, 0)


def draw(shape, spread):
    rng = np.random.default_rng(0)
    return (rng.uniform(-1, 1, shape) * spread).astype(np.float32), rng.uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("end", ["start", "middle"])
def test_per_tensor(dtype, end):
    low, high = RANGES[dtype]
    zero = low if end == "start" else (low + high) // 2
    scale = np.float32(2 / (high - low))
    x, dy = draw([3, 5, 7], 3)
    made = onnxpath.gradient_graph(pair(dtype, scale, zero, ["n", 5, 7]), rules=STRAIGHT)
    onnx.checker.check_model(made, full_check=True)
    grad = provider(made, {"x": x, "grad_y": dy})["grad_x"]
    expected = estimate(x, dy, scale, zero, dtype)
    assert 0 < np.count_nonzero(expected) < expected.size
    np.testing.assert_array_equal(grad, expected)


@pytest.mark.parametrize("dtype", ["UINT8", "INT8", "INT4"])
@pytest.mark.parametrize("axis", [1, -1])
def test_per_axis(dtype, axis):
    low, high = RANGES[dtype]
    x, dy = draw([2, 4, 4], 3)
    scale = np.linspace(0.2, 2, 4) / (high - low)
    zero = np.linspace(low, high, 4).astype(int)
    made = onnxpath.gradient_graph(pair(dtype, scale, zero, [2, 4, 4], axis=axis), rules=STRAIGHT)
    column = (slice(None), None) if axis == 1 else ()
    expected = estimate(x, dy, np.float32(scale)[column], zero[column], dtype)
    assert relative(provider(made, {"x": x, "grad_y": dy})["grad_x"], expected) < 1e-6


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("open_size", [False, True])
def test_per_block(size, open_size):
    """Blocks of 3 along an axis of 6 and 7: the last one may be short."""
    x, dy = draw([2, size], 3)
    scale = np.random.default_rng(1).uniform(0.2, 2, (2, -(-size // 3))).astype(np.float32) / 255
    zero = np.full(scale.shape, 100)
    shape = ["n", "size"] if open_size else [2, size]
    made = onnxpath.gradient_graph(pair("UINT8", scale, zero, shape, axis=1, block_size=3), rules=STRAIGHT)
    wide = np.repeat(scale, 3, 1)[:, :size]
    expected = estimate(x, dy, wide, 100, "UINT8")
    assert relative(reference(made, {"x": x, "grad_y": dy})["grad_x"], expected) < 1e-6


def test_the_ends_of_the_range_are_inside():
    """The values that a calibration took as ends, which x / scale + zero_point may miss by rounding."""
    for top in np.random.default_rng(0).uniform(0.1, 10, 200).astype(np.float32):
        scale = np.float32(top / np.float32(255))
        made = onnxpath.gradient_graph(pair("UINT8", scale, 0, [1, 4]), rules=STRAIGHT)
        x = np.float32([[0, top, -top / 1000, top * 1.003]])
        assert provider(made, {"x": x, "grad_y": np.ones_like(x)})["grad_x"].tolist() == [[1, 1, 0, 0]]


def test_a_pair_costs_a_mask_alone():
    """What DequantizeLinear multiplies by, QuantizeLinear would divide by."""
    made = onnxpath.gradient_graph(pair("UINT8", 0.1, 3, ["n", 4]), rules=STRAIGHT, provider="cuda")
    assert sorted(operators(made)) == [
        "And",
        "Cast",
        "DequantizeLinear",
        "Greater",
        "Less",
        "Mul",
        "QuantizeLinear",
    ]


@pytest.mark.parametrize(("scale", "attributes"), [(0.1, {}), ([0.1, 0.2, 0.3], {"axis": 1})])
def test_gradient_by_the_scale_of_dequantize(scale, attributes):
    q = np.arange(12, dtype=np.uint8).reshape(4, 3)
    code = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], **attributes)
    graph = helper.make_graph(
        [code],
        "dequantise",
        [helper.make_tensor_value_info("q", TensorProto.UINT8, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])],
        [
            numpy_helper.from_array(np.float32(scale), "s"),
            helper.make_tensor("z", TensorProto.UINT8, np.shape(scale), [5] * np.size(scale)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    dy = draw([4, 3], 1)[1]
    grad = provider(onnxpath.gradient_graph(model, wrt=["s"]), {"q": q, "grad_y": dy})["grad_s"]
    exact = (q.astype(float) - 5) * dy
    np.testing.assert_allclose(grad, exact.sum(0) if attributes else exact.sum(), rtol=1e-5)


def test_gradient_by_the_scale_of_quantize():
    """x / s + z inside the range: -x / s² by the scale; DequantizeLinear adds (q - z)."""
    x, dy = draw([5, 6], 2)
    scale = np.float32(0.01)
    made = onnxpath.gradient_graph(pair("INT8", scale, 0, [5, 6]), wrt=["s"], rules=STRAIGHT)
    grad = provider(made, {"x": x, "grad_y": dy})["grad_s"]
    q = np.clip(np.rint(x / scale), -128, 127)
    expected = (dy * q - estimate(x, dy, scale, 0, "INT8") * x / scale).sum()
    np.testing.assert_allclose(grad, expected, rtol=1e-4)


# ------------------------------------------------------------------------------------------------- nothing silent


def test_without_the_estimate_it_is_an_error():
    with pytest.raises(ModelError) as error:
        onnxpath.gradient_graph(pair("UINT8", 0.1, 0, ["n", 4]))
    assert str(error.value) == (
        "no gradient passes QuantizeLinear, whose derivative is zero almost everywhere, and every path from 'x' to 'y' "
        "goes through one (node 'q'); choose rules='straight-through' (`--rules straight-through`), an estimate that "
        "the result then names"
    )


PARTLY = """m (float[n, 4] x) => (float[n, 4] y) {
    q = QuantizeLinear(x, s, z); d = DequantizeLinear(q, s, z); y = Add(x, d)
}"""
WEIGHTS = {"s": np.float32(0.1), "z": np.uint8(0)}


def test_a_path_beside_quantisation_is_followed_and_said():
    model = parse(PARTLY, **WEIGHTS)
    x, dy = draw([3, 4], 1)
    exact, rough = (onnxpath.gradient_graph(model, rules=rules) for rules in (None, STRAIGHT))
    np.testing.assert_array_equal(provider(exact, {"x": x, "grad_y": dy})["grad_x"], dy)
    np.testing.assert_array_equal(
        provider(rough, {"x": x, "grad_y": dy})["grad_x"], dy + estimate(x, dy, 0.1, 0, "UINT8").astype(np.float32)
    )
    (note,) = onnxpath.load(model).graph.notes
    assert note.startswith("no gradient passes 'QuantizeLinear_0', whose derivative is zero almost everywhere")
    (note,) = onnxpath.load(model, rules=STRAIGHT).graph.notes
    assert note.startswith("rules 'straight-through' at 'QuantizeLinear_0': the gradient passes QuantizeLinear where")


def test_the_gradient_graph_names_its_rules():
    model = parse(PARTLY, **WEIGHTS)
    for made, named in (
        (onnxpath.gradient_graph(model), {}),
        (onnxpath.gradient_graph(model, rules=STRAIGHT), {"onnxpath.rules": STRAIGHT}),
        (onnxpath.gradient_graph(onnxpath.load(model, rules=STRAIGHT)), {"onnxpath.rules": STRAIGHT}),
    ):
        assert {p.key: p.value for p in made.metadata_props} == named


@pytest.mark.parametrize("rules", ["gradient", STRAIGHT])
def test_operators_that_compute_in_integers_are_refused_with_the_reason(rules):
    dynamic = parse(
        "m (float[n, 4] x) => (float[n, 3] y) { q, s, z = DynamicQuantizeLinear(x); i = MatMulInteger(q, W, z);"
        " f = Cast<to = 1>(i); y = Mul(f, s) }",
        W=np.ones((4, 3), np.uint8),
    )
    with pytest.raises(UnsupportedOperator, match=r"DynamicQuantizeLinear .*: its scale is taken from the data"):
        onnxpath.gradient_graph(dynamic, rules=rules)


def test_integer_kernels_are_refused_with_the_reason():
    model = parse(
        "m (float[n, 4] x) => (float[n, 3] y) { q = QuantizeLinear(x, s, z); p = QLinearMatMul(q, s, z, W, s, z, s, z);"
        " y = DequantizeLinear(p, s, z) }",
        W=np.ones((4, 3), np.uint8),
        **WEIGHTS,
    )
    with pytest.raises(
        UnsupportedOperator, match=r"QLinearMatMul .*: it computes in integers; quantise the model in QDQ"
    ):
        onnxpath.gradient_graph(model, rules=STRAIGHT)


def test_operators_between_the_pair_only_move_values():
    nodes = "q = QuantizeLinear(x, s, z); m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(q);"
    nodes += "t = Transpose<perm = [0, 2, 3, 1]>(m); r = Reshape(t, shape); y = DequantizeLinear(r, s, z)"
    model = parse(f"m (float[n, 3, 4, 4] x) => (float[n, 12] y) {{ {nodes} }}", shape=np.int64([0, 12]), **WEIGHTS)
    x, dy = draw([2, 3, 4, 4], 15)[0], draw([2, 12], 1)[1]
    made = onnxpath.gradient_graph(model, rules=STRAIGHT)
    grad = provider(made, {"x": x, "grad_y": dy})["grad_x"]
    q = np.clip(np.rint(x / np.float32(0.1)), 0, 255).reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    wins = np.eye(4)[q.reshape(2, 3, 2, 2, 4).argmax(-1)] * dy.reshape(2, 2, 2, 3).transpose(0, 3, 1, 2)[..., None]
    expected = wins.reshape(2, 3, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)
    assert relative(grad, estimate(x, expected, 0.1, 0, "UINT8")) < 1e-6


def test_an_integer_read_as_a_float_is_a_number_of_steps():
    text = "m (float[n, 4] x) => (float[n, 4] y) { q = QuantizeLinear(x, s, z); y = Cast<to = 1>(q) }"
    x, dy = draw([3, 4], 1)
    grad = provider(onnxpath.gradient_graph(parse(text, **WEIGHTS), rules=STRAIGHT), {"x": x, "grad_y": dy})["grad_x"]
    assert relative(grad, estimate(x, dy, 0.1, 0, "UINT8") / 0.1) < 1e-6


@pytest.mark.parametrize("operator", ["QuantizeLinear", "Cast", "CastLike"])
def test_signatures(operator):
    schema = onnx.defs.get_schema(operator, 26)
    parameters = inspect.signature(RULE_SETS[STRAIGHT].find(operator).function).parameters
    written = {name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert written == set(schema.attributes)
    assert len(parameters) == 3 + len(schema.inputs) + len(schema.attributes)
