"""Gradients through recurrences and control flow: torch's own networks, second derivatives, what is refused."""

import io
import warnings

import numpy as np
import onnx
import pytest
from onnx import parser

import onnxpath
from onnxpath.errors import UnsupportedOperator
from tests.check import difference, provider, reference, to_double

torch = pytest.importorskip("torch", reason="not installed: torch")

HEAD = '<ir_version: 10, opset_import: ["": 21]> '
RNG = np.random.default_rng(0)


class Classifier(torch.nn.Module):
    """Two layers in both directions, read at the last step."""

    def __init__(self, kind):
        super().__init__()
        self.layers = getattr(torch.nn, kind)(5, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layers(x)[0][:, -1])


def exported(network, x, axes):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (x,), buffer, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": axes, "y": {0: "n"}} if axes else None,
        )  # fmt: skip
    return onnx.load_from_string(buffer.getvalue())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize(
    ("steps", "axes"), [(5, None), (20, None), (5, {0: "n"}), (20, {0: "n", 1: "t"})], ids=["5", "20", "5-n", "t-n"]
)
def test_recurrent_networks_against_torch(kind, steps, axes):
    torch.manual_seed(0)
    network, x = Classifier(kind).eval(), torch.randn(3, steps, 5)
    model = exported(network, x, axes)
    if axes:
        x = torch.randn(2, steps - 2 if 1 in axes else steps, 5)
    x.requires_grad_()
    y = network(x)
    cotangent = torch.randn(y.shape)
    y.backward(cotangent)
    found = provider(onnxpath.gradient_graph(model), {"x": x.detach().numpy(), "grad_y": cotangent.numpy()})
    np.testing.assert_allclose(found["y"], y.detach().numpy(), atol=1e-5)
    expected = x.grad.numpy()
    assert np.linalg.norm(found["grad_x"] - expected) <= 1e-4 * np.linalg.norm(expected)


def test_weights_of_a_recurrence_against_torch():
    network, x = torch.nn.GRU(3, 2).eval(), torch.randn(12, 2, 3)
    model = exported(network, x, None)
    weights = next(node for node in model.graph.node if node.op_type == "GRU").input[1:3]
    graph = onnxpath.gradient_graph(model, wrt=list(weights), of=["y"])
    y = network(x)[0]
    cotangent = torch.randn(y.shape)
    y.backward(cotangent)
    found = provider(graph, {"x": x.numpy(), "grad_y": cotangent.numpy()})
    for name, weight in zip(weights, (network.weight_ih_l0, network.weight_hh_l0), strict=True):
        reset, update, new = np.split(weight.grad.numpy(), 3)  # ONNX puts the update gate first
        expected = np.concatenate([update, reset, new])[None]
        np.testing.assert_allclose(found[f"grad_{name}"], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_batch_first_layout(kind):
    """ONNX Runtime does not run the forward node; the gradient graph, with the time first, it does."""
    gates, states = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], ["h", "c"][: 2 if kind == "LSTM" else 1]
    shapes = {"x": [2, 3, 2], **{s: [2, 1, 2] for s in states}}
    outputs = {"y": [2, 3, 1, 2], **{f"{s}_last": [2, 1, 2] for s in states}}
    given, taken = (", ".join(f"float{shape} {name}" for name, shape in side.items()) for side in (shapes, outputs))
    model = parser.parse_model(
        f"{HEAD} m ({given}) => ({taken}) <float[1, {2 * gates}, 2] W, float[1, {2 * gates}, 2] R>"
        f" {{ {', '.join(outputs)} = {kind}<hidden_size = 2, layout = 1>(x, W, R, , , {', '.join(states)}) }}"
    )
    weights = [RNG.normal(size=(1, 2 * gates, 2)).astype(np.float32) for _ in "WR"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(w, n) for w, n in zip(weights, "WR", strict=True))
    agrees_with_differences(model, {name: RNG.normal(size=shape) for name, shape in shapes.items()})


MODELS = {
    "If": "m (float[n, 3] x, bool c, float[3] u) => (float[n, 3] y) { h = Mul(x, x)"
    " y = If(c) <then_branch = t () => (a) { b = Sin(h)  a = Mul(b, u) }, else_branch = e () => (d) { d = Exp(x) }> }",
    "Loop": "m (float[n, 3] x, int64 M, float[3] u) => (float[n, 3] y) {"
    " y = Loop(M, , x) <body = b (int64 i, bool c, v) => (c2, w) { c2 = Identity(c)  h = Mul(v, u)  w = Tanh(h) }> }",
    "Loop with a scan output": "m (float[n, 3] x, int64 M, float[3] u) => (float[n, 3] y, float[k, n, 3] z) {"
    " y, z = Loop(M, , x) <body = b (int64 i, bool c, v) => (c2, w, s)"
    " { c2 = Identity(c)  h = Mul(v, u)  w = Tanh(h)  s = Mul(w, w) }> }",
    "Scan": "m (float[3, 3] x, float[3] h, float[3] u) => (float[3] y, float[3, 3] z) {"
    " y, z = Scan(h, x) <num_scan_inputs = 1, body = b (v, s) => (w, o)"
    " { k = Mul(v, u)  j = Add(k, s)  w = Tanh(j)  o = Mul(w, s) }> }",
    "GRU": "m (float[3, 1, 2] x) => (float[3, 1, 1, 2] y)"
    " <float[1, 6, 2] W = {0.1, 0.5, -0.2, 0.7, 0.3, -0.6, 0.9, 0.2, -0.4, 0.8, 0.5, -0.3}>"
    " { y = GRU<hidden_size = 2>(x, W, W) }",
}


def feeds_of(model):
    values = {"M": np.array(3), "c": np.array(True)}
    floats = {i.name: i.type.tensor_type.shape.dim for i in model.graph.input if i.name not in values}
    given = {name: RNG.uniform(0.3, 1, [d.dim_value or 2 for d in dims]) for name, dims in floats.items()}
    return {**given, **{i.name: values[i.name] for i in model.graph.input if i.name in values}}


def agrees_with_differences(model, feeds, prefix="grad_", wrt=None, of=None):
    """The gradient of a random sum of float outputs, in float64 and in float32, against finite differences."""
    graph = onnxpath.gradient_graph(model, wrt=wrt, of=of, prefix=prefix)
    onnx.checker.check_model(graph, full_check=True)
    forward, inputs = to_double(model), {i.name for i in model.graph.input}
    outputs = reference(forward, feeds)
    asked = {o.name: o.name[len(prefix) :] for o in graph.graph.output if o.name not in outputs}
    cotangents = {i.name: RNG.normal(size=outputs[i.name[len(prefix) :]].shape)
                  for i in graph.graph.input if i.name not in inputs}  # fmt: skip
    single = {k: v.astype(np.float32) if v.dtype == float else v for k, v in {**feeds, **cotangents}.items()}
    exact, found = reference(to_double(graph), {**feeds, **cotangents}), provider(graph, single)
    for grad, name in asked.items():
        direction = RNG.normal(size=feeds[name].shape)

        def objective(values, name=name):
            made = reference(forward, {**feeds, name: values})
            return sum(np.sum(made[c[len(prefix) :]] * d) for c, d in cotangents.items())

        expected, _ = difference(objective, feeds[name], direction)
        np.testing.assert_allclose(np.sum(exact[grad] * direction), expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found[grad], exact[grad], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS.keys())
def test_second_derivatives(text):
    model = parser.parse_model(HEAD + text)
    first = onnxpath.gradient_graph(model)
    cotangents = {o.name: reference(to_double(model), feeds_of(model))[o.name].shape for o in model.graph.output}
    feeds = {**feeds_of(model), **{f"grad_{name}": RNG.normal(size=shape) for name, shape in cotangents.items()}}
    inputs = [i.name for i in model.graph.input if i.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    agrees_with_differences(first, feeds, "second_", inputs, [f"grad_{name}" for name in inputs])


def test_a_loop_of_no_iteration_hands_the_cotangent_on():
    model = parser.parse_model(HEAD + MODELS["Loop with a scan output"])
    ones = np.ones((2, 3), np.float32)
    feeds = {"x": ones, "u": ones[0], "M": np.array(0), "grad_y": 2 * ones, "grad_z": np.zeros((0, 2, 3), np.float32)}
    found = provider(onnxpath.gradient_graph(model), feeds)
    np.testing.assert_array_equal(found["grad_x"], 2 * ones)
    np.testing.assert_array_equal(found["grad_u"], np.zeros(3))


def test_a_state_that_grows_is_refused():
    model = parser.parse_model(
        HEAD + "m (float[2] x, int64 M) => (float[k] y) {"
        " y = Loop(M, , x) <body = b (int64 i, bool c, v) => (c2, w)"
        " { c2 = Identity(c)  s = Mul(x, x)  w = Concat<axis = 0>(v, s) }> }"
    )
    with pytest.raises(UnsupportedOperator) as error:
        onnxpath.gradient_graph(model)
    assert "the state 'v' of node" in str(error.value) and "states of one shape" in str(error.value)


def test_every_operator_without_a_rule_inside_a_branch_is_named():
    model = parser.parse_model(
        HEAD + "m (float[n, 3] x, bool c) => (float[n, 3] y) {"
        " y = If(c) <then_branch = t () => (a) { a = Bernoulli(x) }, else_branch = e () => (b) { b = Neg(x) }> }"
    )
    with pytest.raises(UnsupportedOperator, match="Bernoulli"):
        onnxpath.gradient_graph(model)
