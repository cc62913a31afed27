"""The emitter: what it shares, names, tags and refuses."""

import numpy as np
import onnx
import pytest

from onnxpath.errors import ShapeError
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.emit import Emitter
from tests.models import mlp, parse, run

X = np.random.default_rng(4).normal(size=(3, 6)).astype(np.float32)


@pytest.fixture
def op():
    return Emitter(load_graph(mlp()))


def test_equal_nodes_are_made_once(op):
    x = op.graph.tensor("x")
    a, b = op.Mul(x, 2.0), op.Mul(x, 2.0)
    assert a is b
    assert op.Mul(x, 3.0) is not a and op.Add(x, 2.0) is not a
    assert op.Softmax(x, axis=1) is op.Softmax(x, axis=1)
    assert op.Softmax(x, axis=0) is not op.Softmax(x, axis=1)
    assert op.Transpose(x, perm=[1, 0]) is op.Transpose(x, perm=(1, 0))


def test_equal_constants_are_made_once_and_dtypes_keep_them_apart(op):
    assert op.const(1) is op.const(1)
    assert op.const(1).values.dtype == np.int64 and op.const([1, 2]).values.dtype == np.int64
    assert op.const(1.0, np.float32) is not op.const(1.0, np.float64)
    assert op.const([0]) is not op.const(0)
    assert op.const(0.0, np.float32) is not op.const(-0.0, np.float32)


def test_scalars_take_the_dtype_that_the_schema_asks_for(op):
    x = op.graph.tensor("x")
    assert op.Mul(x, 2).inputs[0].inputs[1].values.dtype == np.float32
    assert op.Reshape(x, [-1]).inputs[0].inputs[1].values.dtype == np.int64
    assert op.like(1, x).values.dtype == np.float32


def test_dtype_and_shape_are_known_at_once(op):
    x = op.graph.tensor("x")
    made = op.Reshape(op.MatMul(x, op.const(np.ones((6, 4), np.float32))), [0, 2, 2])
    assert made.shape == ["n", 2, 2] and made.dtype == np.float32
    assert op.Shape(x).dtype == np.int64 and op.Equal(x, 0.0).dtype == np.bool_


def test_attributes_are_checked_against_the_schema(op):
    with pytest.raises(TypeError, match=r"Softmax \(opset 21\) has no attribute \['axes'\]"):
        op.Softmax(op.graph.tensor("x"), axes=1)


def test_operators_are_checked_against_the_schema(op):
    with pytest.raises(onnx.defs.SchemaError, match="No schema registered for 'Frobnicate'"):
        op.Frobnicate(op.graph.tensor("x"))


def test_shapes_that_do_not_fit_name_the_node(op):
    with op.serving("layer", "grad"), pytest.raises(ShapeError, match=r"'layer/grad/MatMul'.*x: \['n', 6\]"):
        op.MatMul(op.graph.tensor("x"), op.const(np.ones((5, 4), np.float32)))


def test_names_are_unique_and_tell_the_origin(op):
    x = op.graph.tensor("x")
    with op.serving("conv", "grad"):
        made = [op.Mul(x, float(i)) for i in range(3)]
    with op.serving("z0", "mask"):
        inner = op.Mul(x, 7.0)
    nodes = [t.inputs[0].name for t in [*made, inner, op.Mul(x, 9.0)]]
    assert nodes[:4] == ["conv/grad/Mul", "conv/grad/Mul_1", "conv/grad/Mul_2", "z0/mask/Mul"]
    assert len(set(nodes)) == 5
    op.add_output(op.Sum(*made, inner), "total")
    model = op.graph.to_model()
    tags = {n.name: {p.key: p.value for p in n.metadata_props} for n in model.graph.node}
    assert tags["conv/grad/Mul_1"] == {"onnxpath.role": "grad", "onnxpath.origin": "conv"}
    assert tags["z0/mask/Mul"] == {"onnxpath.role": "mask", "onnxpath.origin": "z0"}


def test_names_of_the_model_are_never_taken():
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { const = Relu(x); y = Neg(const) }")
    model.graph.node[0].name = "Mul"
    op = Emitter(load_graph(model))
    op.add_output(op.Mul(op.graph.tensor("x"), 2.0), "twice")
    result = op.graph.to_model()
    onnx.checker.check_model(result, full_check=True)
    names = [n.name for n in result.graph.node] + [t for n in result.graph.node for t in n.output]
    names += [t.name for t in result.graph.initializer]
    assert len(set(names)) == len(names)
    np.testing.assert_array_equal(run(result, {"x": X})["twice"], 2 * X)


def test_one_tensor_under_two_output_names(op):
    made = op.Mul(op.graph.tensor("x"), 2.0)
    op.add_output(made, "first")
    op.add_output(made, "second")
    op.add_output(op.graph.tensor("x"), "x again")
    op.add_output(op.graph.tensor("y"), "y again")
    found = run(op.graph.to_model(), {"x": X})
    assert list(found) == ["y", "first", "second", "x again", "y again"]
    np.testing.assert_array_equal(found["first"], 2 * X)
    np.testing.assert_array_equal(found["second"], 2 * X)
    np.testing.assert_array_equal(found["x again"], X)
    np.testing.assert_array_equal(found["y again"], found["y"])


@pytest.mark.parametrize("target", ["n, 6", "6, n", "n, 2, 3", "n, m", "2, 9"])
def test_reshape_like_with_any_number_of_known_sizes(target):
    model = parse(f"m (float[p, q] x, float[{target}] t) => (float[p, q] y) {{ y = Relu(x) }}")
    op = Emitter(load_graph(model))
    op.add_output(op.reshape_like(op.graph.tensor("x"), op.graph.tensor("t")), "r")
    sizes = {"n": 3, "m": 6}
    t = np.zeros([sizes.get(d) or int(d) for d in target.split(", ")], np.float32)
    found = run(op.graph.to_model(), {"x": X, "t": t})["r"]
    np.testing.assert_array_equal(found, X.reshape(t.shape))
