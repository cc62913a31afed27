"""The contract of gradient_graph: what stays, what is added, and what is refused with which words."""

from functools import cache

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import OnnxPathError, UnknownName, UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from onnxpath.rules.gradient import gradient
from tests.models import cosine, input_name, mlp, parse, real_input, relative, run, sample, sample_images, value_info

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def names(values):
    return [value.name for value in values]


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


TWO = """two (float[n, 4] x, float[4] s, int64[n] i) => (float[n, 4] y, float[n] z, int64[n] best) {
    h = Tanh(x); y = Mul(h, s); p = Sigmoid(y); z = ReduceSum<keepdims = 0>(p, axis)
    best = ArgMax<axis = 1, keepdims = 0>(y)
}"""
AXIS = {"axis": np.int64([1])}


def feeds(rows=3):
    return {
        "x": normal(rows, 4),
        "s": normal(4),
        "i": np.arange(rows),
        "grad_y": normal(rows, 4),
        "grad_z": normal(rows),
    }


def by_hand(f):
    """The gradients of <grad_y, y> + <grad_z, z> of TWO, in numpy float64."""
    f = {k: v.astype(np.float64) for k, v in f.items()}
    h = np.tanh(f["x"])
    p = 1 / (1 + np.exp(-h * f["s"]))
    dy = f["grad_y"] + f["grad_z"][:, None] * p * (1 - p)
    return {"x": dy * f["s"] * (1 - h**2), "s": (dy * h).sum(0), "h": dy * f["s"], "p": f["grad_z"][:, None] + 0 * p}


def test_inputs_and_outputs_stay_and_new_ones_follow():
    result = onnxpath.gradient_graph(parse(TWO, **AXIS))
    onnx.checker.check_model(result, full_check=True)
    assert names(result.graph.input) == ["x", "s", "i", "grad_y", "grad_z"]
    assert names(result.graph.output) == ["y", "z", "best", "grad_x", "grad_s"]
    assert [dims(v) for v in result.graph.input] == [["n", 4], [4], ["n"], ["n", 4], ["n"]]
    assert [dims(v) for v in result.graph.output[3:]] == [["n", 4], [4]]


def test_values_are_those_by_hand_and_outputs_do_not_change():
    f = feeds()
    found = run(onnxpath.gradient_graph(parse(TWO, **AXIS)), f)
    for name in ("x", "s"):
        assert relative(found[f"grad_{name}"], by_hand(f)[name]) <= 1e-6
    for name, expected in run(parse(TWO, **AXIS), {k: f[k] for k in ("x", "s", "i")}).items():
        np.testing.assert_array_equal(found[name], expected)


def test_intermediate_tensors():
    f = feeds()
    result = onnxpath.gradient_graph(parse(TWO, **AXIS), wrt=["h", "p"])
    assert names(result.graph.output) == ["y", "z", "best", "grad_h", "grad_p"]
    found = run(result, f)
    for name in ("h", "p"):
        assert relative(found[f"grad_{name}"], by_hand(f)[name]) <= 1e-6


def test_one_of_several_outputs():
    f = feeds()
    result = onnxpath.gradient_graph(parse(TWO, **AXIS), wrt=["x"], of=["z"])
    assert names(result.graph.input) == ["x", "s", "i", "grad_z"]
    expected = by_hand({**f, "grad_y": 0 * f["grad_y"]})["x"]
    assert relative(run(result, {k: v for k, v in f.items() if k != "grad_y"})["grad_x"], expected) <= 1e-6


def test_initializers_sum_over_the_rows():
    model, x, dy = mlp(activation="Tanh"), normal(5, 6), normal(5, 3)
    result = onnxpath.gradient_graph(model, wrt=["W0", "b1", "x"])
    assert names(result.graph.output) == ["y", "grad_W0", "grad_b1", "grad_x"]
    found = run(result, {"x": x, "grad_y": dy})
    w = {t.name: onnx.numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
    h0 = np.tanh(x @ w["W0"] + w["b0"])
    h1 = np.tanh(h0 @ w["W1"] + w["b1"])
    d1 = dy @ w["W2"].T * (1 - h1**2)
    d0 = d1 @ w["W1"].T * (1 - h0**2)
    expected = {"W0": x.T @ d0, "b1": d1.sum(0), "x": d0 @ w["W0"].T}
    for name, value in expected.items():
        assert relative(found[f"grad_{name}"], value) <= 1e-6, name


def test_an_initializer_that_folding_would_swallow():
    model = parse("m (float[n, 2] x) => (float[n, 2] y) { e = Exp(b); y = Mul(x, e) }", b=normal(2))
    f = {"x": normal(3, 2), "grad_y": normal(3, 2)}
    b = onnx.numpy_helper.to_array(model.graph.initializer[0])
    found = run(onnxpath.gradient_graph(model, wrt=["b"]), f)["grad_b"]
    assert relative(found, (f["x"] * f["grad_y"]).sum(0) * np.exp(b)) <= 1e-6


@cache
def built(name):
    return onnxpath.gradient_graph(sample(name))


@pytest.mark.parametrize("rows", [1, 3, 7])
@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet", "digits_vit"])
def test_one_graph_takes_any_batch(name, rows):
    result = built(name)
    assert dims(result.graph.output[1])[1:] == [1, 16, 16]
    x, dy = sample_images()[:rows], normal(rows, 10)
    together = run(result, {"image": x, "grad_logits": dy})["grad_image"]
    single = [run(result, {"image": x[i : i + 1], "grad_logits": dy[i : i + 1]})["grad_image"] for i in range(rows)]
    assert relative(together, np.concatenate(single)) <= 1e-4


NONE = {
    "mean": "a = Constant<value_ints = [1]>(); y = ReduceMean(c, a)",
    "global maximum": "y = GlobalMaxPool(c)",
    "repeated": "r = Constant<value_ints = [1, 2, 1]>(); y = Tile(c, r)",
}


@pytest.mark.parametrize("nodes", NONE.values(), ids=NONE.keys())
def test_no_rows_have_no_gradient(nodes):
    """A model may choose its rows, boxes for one, and choose none."""
    model = parse(f"m (float[n, 2, 3] x, bool[n] b) => (float[k, p, q] y) {{ c = Compress<axis = 0>(x, b); {nodes} }}")
    x, b = normal(4, 2, 3), np.zeros(4, bool)
    y = run(model, {"x": x, "b": b})["y"]
    found = run(onnxpath.gradient_graph(model), {"x": x, "b": b, "grad_y": np.zeros_like(y)})["grad_x"]
    np.testing.assert_array_equal(found, np.zeros((4, 2, 3)))


def test_another_prefix_and_names_that_are_taken():
    once = onnxpath.gradient_graph(mlp(activation="Tanh"))
    with pytest.raises(
        UnknownName, match=r"grad_x, grad_grad_y, grad_y already|grad_.* already; choose another `prefix`"
    ):
        onnxpath.gradient_graph(once)
    other = onnxpath.gradient_graph(mlp(), prefix="d/")
    assert names(other.graph.input) == ["x", "d/y"] and names(other.graph.output) == ["y", "d/x"]


def test_second_order_against_finite_differences():
    model = mlp(activation="Tanh")
    first = onnxpath.gradient_graph(model)
    second = onnxpath.gradient_graph(first, wrt=["x", "grad_y"], of=["grad_x"], prefix="second_")
    assert names(second.graph.input) == ["x", "grad_y", "second_grad_x"]
    assert names(second.graph.output) == ["y", "grad_x", "second_x", "second_grad_y"]
    x, dy, v = normal(2, 6), normal(2, 3), normal(2, 6)
    found = run(second, {"x": x, "grad_y": dy, "second_grad_x": v})

    def gradient(at):
        return run(first, {"x": at.astype(np.float32), "grad_y": dy})["grad_x"].astype(np.float64)

    step = 1e-2
    hessian_v = (gradient(x + step * v) - gradient(x - step * v)) / (2 * step)
    assert relative(found["second_x"], hessian_v) <= 2e-3
    # The gradient is linear in the cotangent, so the other one is J v.
    jacobian_v = (run(model, {"x": x + step * v})["y"] - run(model, {"x": x - step * v})["y"]) / (2 * step)
    assert relative(found["second_grad_y"], jacobian_v) <= 2e-3


def test_names_in_both_places():
    model = parse("m (float[n, 2] x) => (float[n, 2] h, float[n, 2] y) { h = Tanh(x); y = Tanh(h) }")
    with pytest.raises(UnknownName, match="h is named in both `wrt` and `of`; name it in one"):
        onnxpath.gradient_graph(model, wrt=["h"])
    result = onnxpath.gradient_graph(model, wrt=["h"], of=["y"])
    f = {"x": normal(2, 2), "grad_y": normal(2, 2)}
    found = run(result, f)
    assert relative(found["grad_h"], f["grad_y"] * (1 - found["y"] ** 2)) <= 1e-6


def test_names_given_twice_are_given_once():
    result = onnxpath.gradient_graph(mlp(), wrt=["x", "x"], of=["y", "y"])
    assert names(result.graph.input) == ["x", "grad_y"] and names(result.graph.output) == ["y", "grad_x"]


def test_unknown_names_list_the_nearest():
    with pytest.raises(UnknownName, match=r"no tensor named 'W_0'; did you mean 'W0'\?(.|\n)*no tensor named 'zzz'\n"):
        onnxpath.gradient_graph(mlp(), wrt=["W_0", "zzz"])
    with pytest.raises(UnknownName, match="no output named 'a0'"):
        onnxpath.gradient_graph(mlp(), of=["a0"])


def test_integers_have_no_gradient():
    with pytest.raises(OnnxPathError, match=r"'i'.*int64"):
        onnxpath.gradient_graph(parse(TWO, **AXIS), wrt=["i"])
    with pytest.raises(OnnxPathError, match=r"'best'.*int64"):
        onnxpath.gradient_graph(parse(TWO, **AXIS), of=["best"])


@pytest.mark.parametrize(
    "nodes",
    [
        "i = Cast<to = 7>(x); y = Cast<to = 1>(i)",
        "i = ArgMax<axis = 1>(x); y = Cast<to = 1>(i)",
        "s = Shape(x); y = Cast<to = 1>(s)",
    ],
    ids=["through integers", "ArgMax", "Shape"],
)
def test_no_float_path(nodes):
    with pytest.raises(OnnxPathError, match="no float path leads from x to y"):
        onnxpath.gradient_graph(
            parse(
                f"m (float[n, 2] x) => (float[p, q] y) {{ {nodes} }}".replace(
                    "p, q", "p" if "Shape" in nodes else "p, q"
                )
            )
        )


def test_piecewise_constant_steps_give_zeros():
    model = parse("m (float[n, 2] x, float[n, 2] u) => (float[n, 2] y) { f = Floor(x); y = Add(f, u) }")
    found = run(
        onnxpath.gradient_graph(model), {"x": normal(3, 2), "u": normal(3, 2), "grad_y": np.ones((3, 2), np.float32)}
    )
    np.testing.assert_array_equal(found["grad_x"], np.zeros((3, 2)))
    np.testing.assert_array_equal(found["grad_u"], np.ones((3, 2)))


def test_every_node_without_a_rule_is_listed(monkeypatch):
    monkeypatch.delitem(gradient._rules, "Det", raising=False)
    nodes = "a = Det(x); b = Det(x); y = Add(a, b); z = Hardmax(x); t = Tanh(x)"
    model = parse(f"m (float[n, 2, 2] x) => (float[n] y, float[n, 2, 2] z, float[n, 2, 2] t) {{ {nodes} }}")
    for index, node in enumerate(model.graph.node):
        node.name = f"number {index}"
    with pytest.raises(UnsupportedOperator) as error:
        onnxpath.gradient_graph(model)
    text = str(error.value)
    assert text.startswith("no gradient rule for ") and " on the way from 'y, z, t' to 'x':" in text
    assert "\n  Det (opset 21): node 'number 0' and 1 more\n" in text and "Tanh" not in text
    assert "`onnxpath inspect MODEL`" in text and "docs/add-a-rule.md" in text
    assert isinstance(error.value, NotImplementedError)


def test_operators_off_the_way_need_no_rule(monkeypatch):
    monkeypatch.delitem(gradient._rules, "Det", raising=False)
    model = parse("m (float[n, 2, 2] x) => (float[n, 2, 2] y, float[n] d) { y = Tanh(x); d = Det(x) }")
    assert names(onnxpath.gradient_graph(model, of=["y"]).graph.output) == ["y", "d", "grad_x"]


def test_initializers_listed_as_inputs_stay_and_are_no_default():
    model = mlp(opset=8)
    model.graph.input.extend(value_info(t.name, list(t.dims)) for t in model.graph.initializer)
    model.ir_version = 3
    result = onnxpath.gradient_graph(model)
    assert names(result.graph.output) == ["y", "grad_x"]
    assert sorted(names(result.graph.input)) == sorted(["x", "W0", "b0", "W1", "b1", "W2", "b2", "grad_y"])
    run(result, {"x": normal(2, 6), "grad_y": normal(2, 3)})
    assert names(onnxpath.gradient_graph(model, wrt=["W0"]).graph.output) == ["y", "grad_W0"]


def test_a_real_model_of_ir_3(data_dir):
    path = data_dir / "models" / "mnist8_cntk.onnx"
    result = onnxpath.gradient_graph(path)
    x = real_input(data_dir, "mnist8_cntk", 1) + RNG.uniform(0, 20, (1, 1, 28, 28)).astype(np.float32)  # no ties
    out = result.graph.output[0].name
    dy = normal(1, 10)
    grad = run(result, {input_name(path): x, f"grad_{out}": dy})[f"grad_{input_name(path)}"].astype(np.float64)
    v, step = normal(*x.shape), 1e-2
    change = sum(s * np.sum(dy * run(path, {input_name(path): x + np.float32(s * step) * v})[out]) for s in (1, -1))
    assert abs(np.sum(grad * v) - change / (2 * step)) <= 0.02 * np.linalg.norm(grad)


def test_the_provider_changes_the_spelling_only():
    x, dy = sample_images()[:3], normal(3, 10)
    f = {"image": x, "grad_logits": dy}
    cpu, cuda = (
        run(onnxpath.gradient_graph(sample("digits_cnn"), provider=p), f)["grad_image"] for p in ("cpu", "cuda")
    )
    assert relative(cpu, cuda) <= 1e-5 and cosine(cpu, cuda) >= 0.9999999


def test_every_form_of_a_model_is_taken():
    path = sample("digits_cnn")
    expected = names(onnxpath.gradient_graph(path).graph.node)
    for form in (str(path), path.read_bytes(), onnx.load(path), load_graph(path), onnxpath.load(path, providers="cpu")):
        assert names(onnxpath.gradient_graph(form).graph.node) == expected


def test_backward_nodes_carry_their_origin():
    result = onnxpath.gradient_graph(mlp())
    forward = {node.name for node in load_graph(mlp()).nodes}
    tagged = {n.name: {p.key: p.value for p in n.metadata_props} for n in result.graph.node if n.name not in forward}
    assert tagged and all(m["onnxpath.role"] == "grad" for m in tagged.values())
    assert {m["onnxpath.origin"] for m in tagged.values()} <= forward | {"x", "y", "a0", "a1", "z0", "z1"}
    assert all(name.startswith(f"{m['onnxpath.origin']}/grad/") for name, m in tagged.items())


def test_outputs_that_are_inputs_too():
    model = parse("m (float[n, 2] x) => (float[n, 2] y) { y = Identity(x) }")
    dy = normal(2, 2)
    np.testing.assert_array_equal(run(onnxpath.gradient_graph(model), {"x": dy, "grad_y": dy})["grad_x"], dy)


def test_nothing_is_printed(capfd):
    onnxpath.gradient_graph(sample("digits_vit"))
    onnxpath.gradient_graph(parse(TWO, opset=13, **AXIS), wrt=["x", "h"])
    onnxpath.insert_masks(sample("digits_resnet"))
    assert capfd.readouterr() == ("", "")
