"""Neuron layers: which activations are found, under which name, and which are left out."""

import warnings

import numpy as np
import pytest

import onnxpath
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.neurons import neuron_layers
from tests.models import mlp, parse, sample

W = np.eye(4, dtype=np.float32)


def found(model, target="y"):
    return neuron_layers(load_graph(model), target)[0]


def between_layers(nodes, **weights):
    """x [n, 4] -> MatMul -> h -> the nodes, which make a -> MatMul -> y; weights: their constants, in float32."""
    text = f"m (float[n, 4] x) => (float[n, 4] y) {{ h = MatMul(x, W); {nodes}; y = MatMul(a, W) }}"
    return parse(text, W=W, **{k: np.float32(v) for k, v in weights.items()})


# ------------------------------------------------------------------------------------------ functions of one operator

SINGLE = {
    "Relu": "Relu(h)",
    "LeakyRelu": "LeakyRelu<alpha = 0.1>(h)",
    "PRelu": "PRelu(h, c)",
    "ThresholdedRelu": "ThresholdedRelu<alpha = 0.5>(h)",
    "Elu": "Elu(h)",
    "Selu": "Selu(h)",
    "Celu": "Celu(h)",
    "Gelu": "Gelu(h)",
    "HardSwish": "HardSwish(h)",
    "Mish": "Mish(h)",
    "Softplus": "Softplus(h)",
    "Softsign": "Softsign(h)",
    "Tanh": "Tanh(h)",
    "Sigmoid": "Sigmoid(h)",
    "HardSigmoid": "HardSigmoid(h)",
    "Shrink": "Shrink(h)",
    "Clip": "Clip(h, zero, six)",
}


@pytest.mark.parametrize("op", SINGLE)
def test_single_operators(op):
    weights = {"PRelu": {"c": [0.1] * 4}, "Clip": {"zero": 0, "six": 6}}.get(op, {})
    (layer,) = found(between_layers(f"a = {SINGLE[op]}", **weights))
    assert (layer.name, layer.op, layer.shape, layer.neurons) == ("a", op, (4,), 4)
    assert layer.has_zero == (op in ("Relu", "ThresholdedRelu", "Clip"))
    assert layer.saturation == (6 if op == "Clip" else None)
    assert layer.channel_axis == 1


@pytest.mark.parametrize("nodes", ["a = Max(h, zero)", "a = Max(zero, h)"])
def test_relu_written_as_max(nodes):
    (layer,) = found(between_layers(nodes, zero=0))
    assert (layer.op, layer.has_zero) == ("Relu", True)


@pytest.mark.parametrize("nodes", ["a = Max(h, c)", "g = MatMul(h, W); a = Max(h, g)", "a = Add(h, c)"])
def test_what_is_no_activation(nodes):
    assert found(between_layers(nodes, c=0.5)) == []


@pytest.mark.parametrize(("alpha", "has_zero"), [(0.5, True), (0.0, True), (-0.5, False)])
def test_a_threshold_below_zero_lets_negative_values_pass(alpha, has_zero):
    (layer,) = found(between_layers(f"a = ThresholdedRelu<alpha = {alpha}>(h)"))
    assert layer.has_zero == has_zero


@pytest.mark.parametrize(
    ("bounds", "has_zero", "saturation"),
    [("zero, six", True, 6.0), ("zero", True, None), ("minus, one", False, 1.0), (", six", False, 6.0)],
)
def test_clips(bounds, has_zero, saturation):
    given = {"zero": 0, "six": 6, "minus": -1, "one": 1}
    (layer,) = found(between_layers(f"a = Clip(h, {bounds})", **{k: v for k, v in given.items() if k in bounds}))
    assert (layer.op, layer.has_zero, layer.saturation) == ("Clip", has_zero, saturation)


# ---------------------------------------------------------------------------------------- functions of several nodes

SPELLED = {
    "erf GELU, half first": ("Gelu", "d = Div(h, r); e = Erf(d); p = Add(e, one); q = Mul(h, half); a = Mul(q, p)"),
    "erf GELU, half last": ("Gelu", "d = Div(h, r); e = Erf(d); p = Add(e, one); q = Mul(h, p); a = Mul(q, half)"),
    "erf GELU, half inside": ("Gelu", "d = Mul(h, r); e = Erf(d); p = Add(one, e); q = Mul(half, p); a = Mul(h, q)"),
    "tanh GELU, Pow": (
        "Gelu",
        "c = Pow(h, three); d = Mul(c, k); e = Add(h, d); f = Mul(e, s); t = Tanh(f); p = Add(t, one); "
        "q = Mul(h, half); a = Mul(q, p)",
    ),
    "tanh GELU, products": (
        "Gelu",
        "c2 = Mul(h, h); c = Mul(c2, h); d = Mul(k, c); e = Add(h, d); f = Mul(s, e); t = Tanh(f); "
        "p = Add(one, t); q = Mul(half, p); a = Mul(h, q)",
    ),
    "SiLU": ("Swish", "g = Sigmoid(h); a = Mul(h, g)"),
    "SiLU, other order": ("Swish", "g = Sigmoid(h); a = Mul(g, h)"),
    "quick GELU": ("Swish", "d = Mul(h, s); g = Sigmoid(d); a = Mul(h, g)"),
    "HardSwish by HardSigmoid": ("HardSwish", "g = HardSigmoid<alpha = 0.1666, beta = 0.5>(h); a = Mul(h, g)"),
    "HardSwish by Clip": ("HardSwish", "d = Add(h, three); g = Clip(d, zero, six); p = Mul(h, g); a = Div(p, six)"),
    "HardSwish by Clip, divided first": (
        "HardSwish",
        "d = Add(h, three); g = Clip(d, zero, six); p = Div(g, six); a = Mul(h, p)",
    ),
    "Mish": ("Mish", "d = Softplus(h); t = Tanh(d); a = Mul(h, t)"),
}
CONSTANTS = {"one": 1, "half": 0.5, "r": 1.4142135, "three": 3, "k": 0.044715, "s": 0.797885, "zero": 0, "six": 6}


@pytest.mark.parametrize(("op", "nodes"), SPELLED.values(), ids=SPELLED.keys())
def test_functions_written_as_several_nodes(op, nodes):
    used = {k: v for k, v in CONSTANTS.items() if f"{k})" in nodes or f"{k}," in nodes}
    (layer,) = found(between_layers(nodes, **used))
    assert (layer.name, layer.op, layer.has_zero, layer.saturation) == ("a", op, False, None)


def test_a_scale_behind_a_silu_is_no_part_of_it():
    layers = found(between_layers("g = Sigmoid(h); b = Mul(h, g); a = Mul(b, two)", two=2))
    assert [layer.name for layer in layers] == ["b"]


def test_activations_in_a_row_are_layers_each():
    nodes = "b = Softplus(h); c = Add(b, half); g = Sigmoid(c); d = Mul(c, g); k = Sigmoid(d); a = Mul(d, k)"
    assert [(layer.name, layer.op) for layer in found(between_layers(nodes, half=0.5))] == [
        ("b", "Softplus"),
        ("d", "Swish"),
        ("a", "Swish"),
    ]


def test_a_gate_on_another_tensor_is_a_layer_of_its_own():
    nodes = "b = Relu(h); m = MatMul(b, W); g = Sigmoid(m); a = Mul(h, g)"
    assert [(layer.name, layer.op) for layer in found(between_layers(nodes))] == [("b", "Relu"), ("g", "Sigmoid")]


def test_a_gate_on_a_sum_with_another_tensor_is_a_layer_of_its_own():
    nodes = "o = MatMul(h, W); m = Add(h, o); g = Sigmoid(m); a = Mul(h, g)"
    assert [(layer.name, layer.op) for layer in found(between_layers(nodes))] == [("g", "Sigmoid")]


def test_gated_linear_unit():
    nodes = "p, q = Split<axis = 1, num_outputs = 2>(x); g = Sigmoid(q); a2 = Mul(p, g)"
    model = parse(
        f"m (float[n, 4] x) => (float[n, 2] y) {{ {nodes}; y = MatMul(a2, V) }}", V=np.eye(2, dtype=np.float32)
    )
    assert [layer.name for layer in found(model)] == ["g"]


def test_squeeze_and_excitation():
    text = """m (float[n, 4, 5, 5] x) => (float[n, 3] y) {
        c = Conv<pads = [1, 1, 1, 1]>(x, K); b = Relu(c); p = GlobalAveragePool(b); s = Conv(p, S); r = Relu(s)
        e = Conv(r, E); g = Sigmoid(e); m = Mul(b, g); q = GlobalAveragePool(m); f = Flatten(q); y = MatMul(f, V)
    }"""
    weights = {"K": (4, 4, 3, 3), "S": (2, 4, 1, 1), "E": (4, 2, 1, 1), "V": (4, 3)}
    layers = found(parse(text, **{k: np.ones(s, np.float32) for k, s in weights.items()}))
    assert [(layer.name, layer.shape) for layer in layers] == [("b", (4, 5, 5)), ("r", (2, 1, 1)), ("g", (4, 1, 1))]


# ------------------------------------------------------------------------------------------------- which are left out


READOUTS = {
    "pool, flatten": ("n, 4", "p = GlobalAveragePool(b); y = Flatten(p)"),
    "mean, softmax": ("n, 4", "p = ReduceMean<keepdims = 0>(b, axes); y = Softmax(p)"),
    "pool": ("n, 4, 1, 1", "y = MaxPool<kernel_shape = [5, 5]>(b)"),
}


@pytest.mark.parametrize(("shape", "tail"), READOUTS.values(), ids=READOUTS.keys())
def test_the_output_is_no_neuron_layer(shape, tail):
    nodes = f"a = Relu(x); c = Conv(a, K); b = Relu(c); {tail}"
    weights = {"K": np.ones((4, 4, 1, 1), np.float32), "axes": np.int64([2, 3])}
    model = parse(f"m (float[n, 4, 5, 5] x) => (float[{shape}] y) {{ {nodes} }}", **weights)
    layers, left_out = neuron_layers(load_graph(model), "y")
    assert [layer.name for layer in layers] == ["a"]
    assert list(left_out) == ["b"] and "it is the output" in left_out["b"] and "'y'" in left_out["b"]


def test_a_sigmoid_at_the_end_is_the_output():
    model = parse("m (float[n, 4] x) => (float[n, 4] y) { a = Tanh(x); b = MatMul(a, W); y = Sigmoid(b) }", W=W)
    layers, left_out = neuron_layers(load_graph(model), "y")
    assert [layer.name for layer in layers] == ["a"] and list(left_out) == ["y"]


def test_a_layer_that_also_reaches_the_output_another_way_is_a_layer():
    text = "m (float[n, 4] x) => (float[n, 4] y) { b = Relu(x); f = Flatten(b); m = MatMul(b, W); y = Add(f, m) }"
    assert [layer.name for layer in found(parse(text, W=W))] == ["b"]


def test_layers_off_the_way_are_none():
    nodes = "a = Relu(x); y = MatMul(a, W); b = Tanh(x); z = MatMul(b, W)"
    model = parse(f"m (float[n, 4] x) => (float[n, 4] y, float[n, 4] z) {{ {nodes} }}", W=W)
    assert [layer.name for layer in found(model, "y")] == ["a"]
    assert [layer.name for layer in found(model, "z")] == ["b"]
    assert [layer.name for layer in onnxpath.load(model, providers="cpu").layers("z")] == ["b"]


def test_activations_of_constants_and_integers_are_none():
    nodes = "c = Softplus(b); r = Relu(i); k = Cast<to = 1>(r); m = Mul(x, c); y = Mul(m, k)"
    assert found(parse(f"m (float[n, 4] x, int64[n, 4] i) => (float[n, 4] y) {{ {nodes} }}", b=W[0])) == []


# ---------------------------------------------------------------------------------------------------- axes and calls


@pytest.mark.parametrize(
    ("nodes", "axis"),
    [
        ("c = Conv(x, K); a = Relu(c)", 1),
        ("c = Conv(x, K); d = MaxPool<kernel_shape = [1, 1]>(c); e = Add(d, d); a = Relu(e)", 1),
        ("c = Conv(x, K); t = Transpose<perm = [0, 2, 3, 1]>(c); a = Relu(t)", 3),
        ("t = Transpose<perm = [0, 2, 3, 1]>(x); m = MatMul(t, M); a = Relu(m)", 3),
        ("m = MatMul(x, M5); u = Transpose<perm = [0, 3, 1, 2]>(m); a = Relu(u)", 1),
    ],
    ids=["Conv", "Conv, pooled", "Conv, then channels last", "MatMul", "MatMul, then channels first"],
)
def test_channel_axis_of_images(nodes, axis):
    text = f"m (float[n, 4, 5, 5] x) => (float[n, p, q, r] y) {{ {nodes}; y = Mul(a, a) }}"
    (layer,) = found(parse(text, K=np.ones((4, 4, 1, 1), np.float32), M=W, M5=np.eye(5, dtype=np.float32)))
    assert layer.channel_axis == axis


def test_channel_axis_of_a_transformer_and_a_perceptron():
    assert [(layer.op, layer.shape, layer.channel_axis) for layer in found(sample("digits_vit"), "logits")] == [
        ("Gelu", (17, 96), 2)
    ] * 2
    assert [(layer.shape, layer.channel_axis) for layer in found(mlp())] == [((8,), 1), ((5,), 1)]


def test_sample_and_real_models(data_dir):
    expected = {"digits_cnn": 4, "digits_resnet": 7, "digits_vit": 2}
    for name, count in expected.items():
        assert len(found(sample(name), "logits")) == count
    expected = {"resnet20_cifar10": 19, "resnet8_mlperftiny_cifar10": 7, "mobilenet_v2_1.0_224": 35, "mnist8_cntk": 2}
    for name, count in expected.items():
        layers, left_out = onnxpath.load(data_dir / "models" / f"{name}.onnx", providers="cpu").neurons()
        assert len(layers) == count and not left_out and all(layer.has_zero for layer in layers), name
        assert {layer.saturation for layer in layers} == ({6.0} if name.startswith("mobile") else {None})
        assert {layer.channel_axis for layer in layers} == {1}
    layers, left_out = onnxpath.load(data_dir / "models" / "squeezenet1_1.onnx", providers="cpu").neurons()
    assert len(layers) == 25 and list(left_out) == ["/classifier/classifier.2/Relu_output_0"]


# ------------------------------------------------------------------------------------------------- torch's exporters


@pytest.mark.needs("torch", "onnxscript")
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("GELU", "Gelu"),
        ("GELU tanh", "Gelu"),
        ("SiLU", "Swish"),
        ("Hardswish", "HardSwish"),
        ("Mish", "Mish"),
        ("ReLU6", "Clip"),
        ("Softplus", "Softplus"),
    ],
)
def test_what_torch_exports(name, op, dynamo, tmp_path):
    import torch
    from torch import nn

    kind, *option = name.split()
    activation = getattr(nn, kind)(**({"approximate": option[0]} if option else {}))
    # One module, called twice: a layer per call.
    network = nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 6), activation, nn.Linear(6, 3)).eval()
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 4),), path, dynamo=dynamo, input_names=["x"], output_names=["y"], verbose=False
        )
    layers = found(path)
    assert [(layer.op, layer.shape) for layer in layers] == [(op, (6,))] * 2
    assert len({layer.name for layer in layers}) == 2
    assert {layer.has_zero for layer in layers} == {name == "ReLU6"}
