"""A canonized model computes what the original computes, and has the form that the rest relies on."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from onnxpath.graph.canonize import load_graph
from onnxpath.graph.ir import Constant, is_float
from tests.graph.same import check_same
from tests.models import (
    LARGE,
    REAL,
    SAMPLES,
    input_name,
    mlp,
    operators,
    parse,
    real_input,
    sample,
    sample_images,
    value_info,
)

RNG = np.random.default_rng(2)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


# ------------------------------------------------------------------------------------------------------ whole models


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("optimised", [True, False])
def test_sample_models_compute_the_same(name, optimised):
    check_same(sample(name), {"image": sample_images()[:5]}, optimised=optimised)


@pytest.mark.parametrize("name", [*REAL, *LARGE])
def test_real_models_compute_the_same(name, data_dir):
    path = data_dir / "models" / f"{name}.onnx"
    x = real_input(data_dir, name, 1 if name in ("mnist8_cntk", *LARGE) else 4)
    check_same(path, {input_name(path): x})


def test_shape_clutter_of_a_real_model_is_gone(data_dir):
    graph = load_graph(data_dir / "models" / "resnet20_cifar10.onnx")
    count = Counter(node.op for node in graph.nodes)
    assert not set(count) & {"Constant", "ConstantOfShape", "Transpose", "Cast"}
    assert (count["Pad"], count["Slice"], count["Shape"]) == (2, 4, 1)
    for node in graph.nodes:
        if node.op in ("Pad", "Slice"):
            assert all(isinstance(t, Constant) for t in node.inputs[1:] if t.name), node.name


def test_a_real_model_of_ir_3_keeps_its_listed_initializers(data_dir):
    path = data_dir / "models" / "mnist8_cntk.onnx"
    listed = [value.name for value in onnx.load(path).graph.input]
    assert sorted(v.name for v in load_graph(path).to_model().graph.input) == sorted(listed)


# ----------------------------------------------------------------------------------------------------------- opsets

# name: opset, shape of a row of x, outputs, nodes, initializers
OLD_FORMS = {
    "BatchNormalization": (
        7, "2, 3", "float[n, 2, 3] y", "y = BatchNormalization<epsilon = 0.1>(x, a, b, b, a)",
        {"a": np.float32([1, 2]), "b": np.float32([0.5, -1])},
    ),
    "Clip": (7, "4", "float[n, 4] y", "y = Clip<min = -0.5, max = 0.25>(x)", {}),
    "Dropout": (7, "4", "float[n, 4] y", "y, mask = Dropout<ratio = 0.5>(x)", {}),
    "Pad": (7, "4", "float[n, p] y", "y = Pad<pads = [0, 1, 0, 2], value = 3.0>(x)", {}),
    "ReduceSum": (7, "4, 2", "float[n, 4] y", "y = ReduceSum<axes = [2], keepdims = 0>(x)", {}),
    "Slice": (7, "4", "float[n, p] y", "y = Slice<axes = [1], starts = [1], ends = [-1]>(x)", {}),
    "Softmax over all that follows": (7, "4, 2", "float[n, 4, 2] y", "y = Softmax<axis = 1>(x)", {}),
    "LogSoftmax at its default axis": (12, "4, 2", "float[n, 4, 2] y", "y = LogSoftmax(x)", {}),
    "Split": (7, "5", "float[n, 2] y, float[n, 3] z", "y, z = Split<axis = 1, split = [2, 3]>(x)", {}),
    "Squeeze": (7, "1, 2", "float[n, 2, 1] y", "a = Squeeze<axes = [1]>(x); y = Unsqueeze<axes = [2]>(a)", {}),
    "Upsample": (
        9, "1, 2, 2", "float[n, 1, 4, 4] y", "y = Upsample<mode = \"nearest\">(x, s)", {"s": np.float32([1, 1, 2, 2])},
    ),
    "Gemm": (
        7, "4", "float[n, 3] y", "y = Gemm<alpha = 2.0, beta = 0.5, transB = 1>(x, W, b)",
        {"W": normal(3, 4), "b": normal(3)},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("opset", "row", "outputs", "nodes", "weights"), OLD_FORMS.values(), ids=OLD_FORMS.keys())
def test_old_forms_of_operators(opset, row, outputs, nodes, weights):
    model = parse(f"m (float[n, {row}] x) => ({outputs}) {{ {nodes} }}", opset, ir=4, **weights)
    result = check_same(model, {"x": normal(3, *map(int, row.split(",")))})
    assert result.opset_import[0].version == 21


@pytest.mark.parametrize("opset", range(7, 27))
def test_every_opset(opset):
    result = check_same(mlp(opset=opset), {"x": normal(3, 6)})
    assert result.opset_import[0].version == max(21, opset)


# -------------------------------------------------------------------------------------------------------- constants


def test_constants_of_every_form_are_lifted():
    forms = {
        "t": {"value": numpy_helper.from_array(np.float32([[2, 3]]))},
        "f": {"value_float": 1.5},
        "fs": {"value_floats": [4.0, 5.0]},
        "i": {"value_int": 1},
        "is": {"value_ints": [-1, 2]},
    }
    nodes = [helper.make_node("Constant", [], [name], **attribute) for name, attribute in forms.items()]
    nodes += [
        helper.make_node("Mul", ["x", "t"], ["p"]),
        helper.make_node("Mul", ["p", "f"], ["q"]),
        helper.make_node("Add", ["q", "fs"], ["r"]),
        helper.make_node("Gather", ["r", "i"], ["g"], axis=1),
        helper.make_node("Reshape", ["r", "is"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "m", [value_info("x", ["n", 2])], [value_info("y", ["n", 2]), value_info("g", ["n"])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    result = check_same(model, {"x": normal(3, 2)})
    assert operators(result) == ["Mul", "Mul", "Add", "Gather", "Reshape"]
    kinds = {t.name: (t.data_type, list(t.dims)) for t in result.graph.initializer}
    assert kinds["f"] == (onnx.TensorProto.FLOAT, []) and kinds["i"] == (onnx.TensorProto.INT64, [])
    assert kinds["fs"] == (onnx.TensorProto.FLOAT, [2]) and kinds["is"] == (onnx.TensorProto.INT64, [2])


def test_constants_that_are_outputs_stay_outputs():
    text = (
        "m (float[n, 2] x) => (float[n, 2] y, float[2] c) { c = Constant<value_floats = [1.0, 2.0]>(); y = Add(x, c) }"
    )
    check_same(parse(text), {"x": normal(3, 2)})


FLATTENING = """m (float[n, 4, 3] x) => (float[n, p] y) {
    s = Shape(x); i = Constant<value_int = 0>(); b = Gather(s, i); axes = Constant<value_ints = [0]>()
    u = Unsqueeze(b, axes); one = Constant<value_ints = [1]>(); far = Constant<value_ints = [9223372036854775807]>()
    rest = Slice(s, one, far); total = ReduceProd<keepdims = 1>(rest); shape = Concat<axis = 0>(u, total)
    y = Reshape(x, shape)
}"""


def test_known_sizes_are_folded_beside_an_unknown_batch():
    result = check_same(parse(FLATTENING), {"x": normal(5, 4, 3)})
    assert Counter(operators(result)) == Counter(["Shape", "Gather", "Unsqueeze", "Concat", "Reshape"])
    fixed = check_same(parse(FLATTENING.replace("n, 4", "5, 4")), {"x": normal(5, 4, 3)})
    assert operators(fixed) == ["Reshape"]


def test_folding_leaves_large_and_random_values_alone():
    nodes = "r = RandomNormal<shape = [2], seed = 1.0>(); e = Exp(b); s = Add(r, e); y = Add(x, s)"
    text = f"m (float[n, 2] x) => (float[n, 2] y) {{ {nodes} }}"
    assert "RandomNormal" in operators(load_graph(parse(text, b=normal(2))).to_model())
    big = parse("m (float[n, 300, 300] x) => (float[n, 300, 300] y) { e = Exp(b); y = Add(x, e) }", b=normal(300, 300))
    assert operators(check_same(big, {"x": normal(1, 300, 300)})) == ["Exp", "Add"]


def test_folding_keeps_what_a_gradient_is_asked_for():
    model = parse("m (float[n, 2] x) => (float[n, 2] y) { e = Exp(b); y = Mul(x, e) }", b=normal(2))
    assert operators(load_graph(model).to_model()) == ["Mul"]
    assert operators(load_graph(model, keep=["b"]).to_model()) == ["Exp", "Mul"]


# ------------------------------------------------------------------------------------------------- names, metadata


def test_metadata_is_kept_over_every_step():
    for opset in (13, 21):
        model = mlp(opset=opset)
        model.metadata_props.add(key="author", value="someone")
        for node in model.graph.node:
            node.name = f"the {node.output[0]}"
            node.metadata_props.add(key="made by", value=node.output[0])
        result = load_graph(model).to_model()
        assert {p.key: p.value for p in result.metadata_props} == {"author": "someone"}
        found = {node.name: {p.key: p.value for p in node.metadata_props} for node in result.graph.node}
        assert found == {f"the {n.output[0]}": {"made by": n.output[0]} for n in model.graph.node}, opset


def test_nodes_get_names_of_their_own():
    model = mlp()
    for node, name in zip(model.graph.node, ["", "twin", "twin", "", "Gemm_0"], strict=True):
        node.name = name
    names = [node.name for node in load_graph(model).to_model().graph.node]
    assert len(set(names)) == 5 and all(names)
    assert names[1] == "twin" and names[4] == "Gemm_0"


def test_functions_are_inlined():
    text = """<ir_version: 10, opset_import: ["": 21, "own": 1]>
        m (float[n, 4] x) => (float[n, 4] y) { a = own.twice(x) y = own.twice(a) }
        <domain: "own", opset_import: ["": 21]> twice (v) => (w) { t = Relu(v) w = Add(t, t) }"""
    result = check_same(onnx.parser.parse_model(text), {"x": normal(2, 4)})
    assert operators(result) == ["Relu", "Add", "Relu", "Add"]


def test_an_undefined_dtype_is_an_unknown_one():
    """And so counts as float: no gradient is lost."""
    model = parse(
        "m (float[n, 4] x, int64[r] s, float[4] w) => (y)"
        " { h = Reshape(x, s); y = GroupNormalization<num_groups = 2>(h, w, w) }"
    )
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UNDEFINED
    (y,) = load_graph(model).outputs
    assert y.dtype is None and is_float(y)
