"""Models that claim what cannot be, or more than is taken: refused by name before anything is computed."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxpath.errors import InputError, ModelError, ShapeError
from onnxpath.graph.canonize import fold_batch_normalization, load_graph
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant
from onnxpath.limits import Limits, limits
from onnxpath.lowering.conv import flipped
from tests.models import mlp, parse

CHAIN = "m (float[n, 3] x) => (float[n, 3] y) { a = Relu(x); b = Neg(a); y = Abs(b) }"


def refused(model):
    """The text with which a model is refused."""
    with pytest.raises(ModelError) as caught:
        load_graph(model.SerializeToString())
    return str(caught.value)


def weight(model, name="W0"):
    return next(t for t in model.graph.initializer if t.name == name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: t.dims.append(1000),
            "initializer 'W0' has the shape [6, 8, 1000], which takes 192000 bytes, and holds",
        ),
        (lambda t: t.dims.append(-1), "impossible shape [6, 8, -1]"),
        (lambda t: t.dims.extend([1] * 70), "impossible shape [6, 8, 1, 1, 1, 1, 1, 1]"),
        (lambda t: t.ClearField("raw_data"), "has the shape [6, 8], which takes 48 values, and holds 0"),
        (lambda t: setattr(t, "data_type", 0), "has dtype 0, which is none of those that are read"),
        (lambda t: setattr(t, "data_type", 29), "has dtype 29"),
        (lambda t: setattr(t, "raw_data", t.raw_data[:-1]), "which takes 192 bytes, and holds 191"),
    ],
)
def test_weights_that_are_not_what_they_declare(change, says):
    model = mlp()
    change(weight(model))
    assert says in refused(model)


def test_all_that_is_wrong_at_once():
    model = mlp()
    for tensor in model.graph.initializer:
        tensor.dims[0] += 1
    text = refused(model)
    assert all(f"'{t.name}'" in text for t in model.graph.initializer)


@pytest.mark.parametrize("dtype", sorted(set(helper.get_all_tensor_dtypes()) - {TensorProto.STRING}))
@pytest.mark.parametrize("raw", [True, False])
def test_every_dtype_passes_in_both_forms(dtype, raw):
    values = np.zeros(3, helper.tensor_dtype_to_np_dtype(dtype))
    tensor = numpy_helper.from_array(values, "w")
    if not raw:
        if dtype in (TensorProto.FLOAT6E2M3, TensorProto.FLOAT6E3M2) if hasattr(TensorProto, "FLOAT6E2M3") else False:
            pytest.skip("onnx writes no values one by one of this dtype")
        tensor = helper.make_tensor("w", dtype, [3], values)
    model = parse(CHAIN)
    model.graph.initializer.append(tensor)
    load_graph(model)


def test_texts_are_counted():
    model = parse(CHAIN)
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [2], [b"a", b"b"]))
    load_graph(model)
    model.graph.initializer[0].dims[0] = 3
    assert "takes 3 values, and holds 2" in refused(model)


def test_tensors_of_attributes_are_looked_at():
    model = parse(CHAIN)
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    value.dims[0] = 2**40
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], "told", value=value))
    assert "attribute 'value' of node 'told' has the shape [1099511627776]" in refused(model)


def test_sparse_weights_that_unpack_to_too_much(monkeypatch):
    model = parse(CHAIN)
    sparse = model.graph.sparse_initializer.add(dims=[2**20, 2**20])
    sparse.values.CopyFrom(helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", TensorProto.INT64, [1], [0]))
    text = refused(model)
    assert "its tensors declare 4096 GiB, and at most 64 are taken" in text and "ONNXPATH_MAX_MODEL_BYTES" in text


@pytest.mark.parametrize(
    ("indices", "says"),
    [
        ((onnx.TensorProto.FLOAT, [2]), "has indices that are no int64"),
        ((onnx.TensorProto.INT64, [-1]), "has the impossible shape"),
        ((onnx.TensorProto.INT64, [2]), "takes 2 values, and holds 0"),
    ],
)
def test_indices_of_sparse_weights(indices, says):
    model = mlp()
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [2], [1.0, 2.0]))
    sparse.indices.data_type = indices[0]
    sparse.indices.dims.extend(indices[1])
    sparse.dims.append(4)
    with pytest.raises(ModelError, match=says):
        load_graph(model)


def test_tensors_made_twice():
    model = parse(CHAIN)
    model.graph.node.add().CopyFrom(model.graph.node[0])
    assert "tensor 'a' is made 2 times" in refused(model)


def test_nodes_in_a_circle():
    model = parse(CHAIN)
    model.graph.node[0].input[0] = "b"
    model.graph.node[0].name, model.graph.node[1].name = "first", "second"
    text = refused(model)
    assert "nodes that wait for each other" in text and "'first'" in text and "'second'" in text


def test_nodes_in_any_order_are_put_in_order():
    model = parse(CHAIN)
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    assert [n.op for n in load_graph(model).nodes] == ["Relu", "Neg", "Abs"]


def test_a_long_chain_in_reverse_order():
    """Sorting recurses over nothing: 3,000 nodes are more than Python's stack holds."""
    model = parse(CHAIN)
    model.graph.node[0].input[0] = "c3000"
    chain = [helper.make_node("Relu", [f"c{i}"], [f"c{i + 1}"]) for i in range(3000)]
    model.graph.node.extend(reversed([*chain, helper.make_node("Neg", ["x"], ["c0"])]))
    assert len(load_graph(model).nodes) == 3004


def called(count, circle):
    """A model whose function f0 calls f1 twice, and so on."""
    model = parse(CHAIN)
    for i in range(count):
        after = f"f{(i + 1) % count}" if circle else f"f{i + 1}"
        op, domain = (after, "own") if circle or i + 1 < count else ("Relu", "")
        nodes = [helper.make_node(op, [a], [b], domain=domain) for a, b in (("a", "b"), ("b", "c"))]
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
        model.functions.append(helper.make_function("own", f"f{i}", ["a"], ["c"], nodes, opsets))
    model.opset_import.add(domain="own", version=1)
    model.graph.node[0].op_type, model.graph.node[0].domain = "f0", "own"
    return model


@pytest.mark.parametrize("count", [1, 2, 12])
def test_functions_that_call_themselves(count):
    text = refused(called(count, circle=True))
    assert "functions that call themselves" in text and "'own::f0'" in text


def test_functions_that_double_at_every_step():
    text = refused(called(40, circle=False))
    assert "1.09951e+12 nodes, its functions written out" in text and "ONNXPATH_MAX_NODES" in text
    assert len(load_graph(called(4, circle=False)).nodes) == 18


def test_graphs_inside_graphs(monkeypatch):
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["o"])], "g", [], [onnx.ValueInfoProto(name="o")])
    for _ in range(5):
        node = helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "g", [], [onnx.ValueInfoProto(name="o")])
    model = parse(CHAIN, c=np.bool_(True))
    # Names inside are those outside, too: no circle.
    model.graph.node[0].CopyFrom(inner.node[0])
    model.graph.node[0].output[0] = "a"
    load_graph(model)
    monkeypatch.setenv("ONNXPATH_MAX_NESTING", "4")
    assert "graphs inside of graphs more than 4 deep" in refused(model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda n: n.input.append("x"), "has input size 2 not in range [min=1, max=1]"),
        (lambda n: n.attribute.append(helper.make_attribute("axis", 1)), "Unrecognized attribute: axis"),
        (lambda n: n.ClearField("input"), "input size 0 not in range"),
    ],
)
def test_nodes_that_are_not_as_their_operators_demand(change, says):
    model = parse(CHAIN)
    model.graph.node[0].name = "told"
    change(model.graph.node[0])
    assert says in refused(model)


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1.5"])
def test_limits_are_positive_whole_numbers(monkeypatch, text):
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", text)
    with pytest.raises(InputError, match="ONNXPATH_MAX_PIXELS must be a positive whole number"):
        limits()


def test_limits_from_the_environment(monkeypatch):
    assert limits() == Limits()
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", "17")
    assert limits() == Limits(pixels=17)


def test_a_normalization_of_other_sizes_is_not_folded():
    """Found by fuzzing: the bias of another layer behind a convolution."""
    text = (
        "m (float[n, 1, 5, 5] x) => (float[n, 3, 5, 5] y) { c = Conv(x, w, b); y = BatchNormalization(c, s, s, s, s) }"
    )
    good = {"w": np.ones((3, 1, 1, 1)), "b": np.zeros(3), "s": np.ones(3)}
    for change, folded in (({}, 1), ({"b": np.zeros(4)}, 0), ({"s": np.ones(4)}, 0), ({"w": np.float32(1)}, 0)):
        arrays = {name: np.asarray(value, np.float32) for name, value in {**good, **change}.items()}
        try:
            graph = load_graph(parse(text, **arrays))
        except ModelError as error:
            assert "contradict" in str(error) and not folded
        else:
            assert fold_batch_normalization(graph) == folded


def test_names_that_are_no_text():
    """Found by fuzzing: protobuf reads a file whose texts are not UTF-8, and fails where one of them is looked at."""
    model = parse(CHAIN)
    model.graph.node[0].name = "told"
    data = model.SerializeToString()
    for bad in (data.replace(b"told", b"t\xd5ld"), data.replace(b"Relu", b"R\xffl\xfe")):
        with pytest.raises(ModelError, match="not UTF-8"):
            load_graph(bad)


def test_what_a_model_says_of_itself_that_is_no_text():
    """Found by fuzzing."""
    model = parse(CHAIN)
    model.producer_name, model.producer_version, model.domain = "by-me", "of-now", "mine!"
    model.metadata_props.add(key="a-key", value="a-value")
    model.graph.node[0].metadata_props.add(key="other", value="told-of")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch-of"
    model.opset_import.add(domain="another", version=1)
    data = model.SerializeToString()
    for text in (b"by-me", b"of-now", b"mine!", b"a-key", b"a-value", b"other", b"told-of", b"batch-of", b"another"):
        with pytest.raises(ModelError, match="not UTF-8"):
            load_graph(data.replace(text, b"\xff" * len(text)))


def test_what_is_behind_contradicting_shapes_has_no_dtype():
    """Found by fuzzing: a MatMul of other sizes leaves what is behind it without a dtype."""
    text = (
        "m (float[n, 1, 1000, 16] x) => (float[n, 4] y) { f = Flatten(x); m = MatMul(f, w); r = Relu(m); y = Neg(r) }"
    )
    graph = load_graph(parse(text, w=np.ones((256, 4), np.float32)))
    assert graph.tensor("r").dtype is None
    with pytest.raises(ShapeError, match="cannot be made from 'r', of unknown dtype"):
        Emitter(graph).Greater(graph.tensor("r"), 0)


@pytest.mark.parametrize("attribute", ["group = 0", "strides = [0, 1]", "dilations = [1, -1]", "kernel_shape = [0, 1]"])
def test_windows_of_nothing(attribute):
    """Found by fuzzing: ONNX Runtime loads a convolution of no groups."""
    text = f"m (float[n, 1, 5, 5] x) => (float[n, 3, 5, 5] y) {{ y = Conv<{attribute}>(x, w) }}"
    assert f"{attribute.split()[0]} must be at least 1" in refused(parse(text, w=np.ones((3, 1, 1, 1), np.float32)))


def test_negative_sizes_are_open():
    """Found by fuzzing: -1 for a size that the file leaves open."""
    model = parse(CHAIN)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    (tensor,) = load_graph(model).inputs
    assert not isinstance(tensor.shape[0], int) and tensor.shape[1] == 3


def test_the_weight_of_a_convolution_has_three_axes():
    """Found by fuzzing: one of one axis, which ONNX Runtime loads."""
    with pytest.raises(ShapeError, match="needs at least three axes"):
        flipped(Emitter(load_graph(parse(CHAIN))), Constant("w", np.ones(9, np.float32)), 1)
