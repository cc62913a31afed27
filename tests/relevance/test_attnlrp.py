"""The composite attnlrp against the published formulas written in torch, and what it refuses."""

import io
import warnings
from functools import partial

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.attribution.conservation import conservation
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.registry import spelled_program
from onnxpath.pathway.programs import GRAD, LOGITS, Setup
from onnxpath.runtime.targets import resolve_target
from tests.check import reference, to_double
from tests.conftest import absent
from tests.models import parse, relative, sample, sample_images
from tests.parity import record

if missing := absent("torch"):
    pytest.skip(missing, allow_module_level=True)

import torch

from sample_models.networks import from_onnx
from tests.relevance import attnlrp_oracle as oracle
from tests.relevance.encoders import Encoder, encoder

SINGLE, DOUBLE = 1e-3, 1e-6


def exported(net, x, opset, input_name="x"):
    file = io.BytesIO()
    axes = {input_name: {0: "N"}, "y": {0: "N"}}
    names = {"input_names": [input_name], "output_names": ["y"], "dynamic_axes": axes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), file, dynamo=False, opset_version=opset, **names)
    return onnx.load_from_string(file.getvalue())


def check(network, model, x, logits, expected):
    """The map in float32 by ONNX Runtime, and in float64 by onnx's reference evaluator."""
    single, double = onnxpath.load(model, providers="cpu"), onnxpath.load(to_double(model), providers="cpu")
    found = onnxpath.attribute(single, x, method="lrp", composite="attnlrp")
    assert relative(found.logits, logits) <= 1e-5
    distance = relative(found.values, expected)
    assert record("lrp, attnlrp", "a plain loop over its formulas", network, "float32", distance) <= SINGLE
    goal = resolve_target(double, None, len(x))
    spell = METHODS.get("lrp").spell
    program = spelled_program(spell, Setup.of(double, goal, layers=()), (), {"composite": "attnlrp"})
    values = reference(program, {single.inputs[0].name: x.astype(np.float64), **goal.feed(slice(None))})
    distance = relative(values[GRAD + single.inputs[0].name], expected)
    assert record("lrp, attnlrp", "a plain loop over its formulas", network, "float64", distance) <= DOUBLE
    assert values[LOGITS].dtype == np.float64


def test_vision_transformer():
    net, x = from_onnx(sample("digits_vit")), sample_images()[:3]
    logits, expected = oracle.relevance(oracle.vit, net, torch.from_numpy(np.array(x)))
    check("digits_vit", onnx.load(sample("digits_vit")), x, logits, expected)


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("reciprocal", [True, False])
def test_encoder(opset, reciprocal):
    """LayerNormalization is an operator from opset 17 on; before that, as the RMS norms, it is spelled out."""
    torch.manual_seed(6)
    net, x = Encoder(reciprocal=reciprocal).eval(), torch.randn(2, 5, 8)
    model = exported(net, x, opset)
    operators = {node.op_type for node in model.graph.node}
    assert ("LayerNormalization" in operators) == (opset == 17) and {"Sqrt", "Softmax", "Sigmoid"} <= operators
    norm = oracle.norm if opset == 17 else oracle.spelled_norm
    logits, expected = oracle.relevance(partial(encoder, norm=norm), net, x)
    check(f"encoder, opset {opset}", model, x.numpy(), logits, expected)


def test_newer_operators():
    """RMSNormalization, Attention, Gelu and Swish by themselves, against the same in older operators."""
    rng = np.random.default_rng(2)
    weights = {k: rng.normal(size=(6, 6)).astype(np.float32) for k in "QKVW"} | {"s": np.float32(rng.random(6) + 0.5)}
    begin = "m (float[n, 4, 6] x) => (float[n, 6] y) {{ {} q = MatMul(h, Q); k = MatMul(h, K); v = MatMul(h, V); {} }}"
    end = "w = MatMul(a, W); {} z = Add(g, x); p = ReduceMean<keepdims = 0>(z, axes); y = Identity(p)"
    new = begin.format(
        "h = RMSNormalization<epsilon = 1e-5>(x, s);",
        "a = Attention<q_num_heads = 1, kv_num_heads = 1>(q, k, v); " + end.format("g = Gelu(w);"),
    )
    old = begin.format(
        "two = Constant<value_float = 2.0>(); c = Pow(x, two); m = ReduceMean(c, last); e = Add(m, eps); "
        "r = Sqrt(e); d = Div(x, r); h = Mul(d, s);",
        "kt = Transpose<perm = [0, 2, 1]>(k); raw = MatMul(q, kt); t = Mul(raw, scale); "
        "soft = Softmax(t); a = MatMul(soft, v); "
        + end.format("o = Div(w, root); f = Erf(o); u = Add(f, one); b = Mul(w, u); g = Mul(b, half);"),
    )
    numbers = {"eps": 1e-5, "scale": 6**-0.5, "root": 2**0.5, "one": 1, "half": 0.5}
    arrays = {**weights, **{k: np.float32(v) for k, v in numbers.items()}}
    arrays |= {"axes": np.int64([1]), "last": np.int64([-1])}
    x = rng.normal(size=(2, 4, 6)).astype(np.float32)
    maps = [
        onnxpath.attribute(parse(text, opset, **arrays), x, method="lrp", composite="attnlrp").values
        for text, opset in ((new, 24), (old, 21))
    ]
    assert relative(*maps) <= 1e-3


@pytest.mark.parametrize(
    ("text", "arrays"),
    [
        ("y = LayerNormalization(x, s, b)", {"s": 6, "b": 6}),
        ("y = InstanceNormalization(x, s, b)", {"s": 4, "b": 4}),
        ("y = GroupNormalization<num_groups = 2>(x, s, b)", {"s": 4, "b": 4}),
    ],
)
def test_normalizations_by_their_matrix(text, arrays):
    """With the deviation held fixed y is linear in x: every contribution by a finite difference of that."""
    rng = np.random.default_rng(4)
    arrays = {k: np.float32(rng.normal(1, 0.5, n)) for k, n in arrays.items()}
    x = rng.normal(0.7, 1, (1, 4, 6)).astype(np.float32)
    model = parse(f"m (float[n, 4, 6] x) => (float[n, 4, 6] y) {{ {text} }}", **arrays)
    target = np.zeros((1, 4, 6), np.float32)
    target[0, 1, 2], target[0, 3, 0] = 1, 1
    found = onnxpath.attribute(model, x, target, "lrp", composite="attnlrp").values
    shape = (1, 2, 12) if "Group" in text else (1, 4, 6)
    deviation = np.sqrt(x.reshape(shape).var(-1, keepdims=True) + 1e-5)
    channel = (slice(None),) if "Layer" in text else (slice(None), None)

    def linear(x):
        centred = x.reshape(shape) - x.reshape(shape).mean(-1, keepdims=True)
        return (centred / deviation).reshape(1, 4, 6) * arrays["s"][channel]

    y = linear(x.astype(np.float64)) + arrays["b"][channel]
    expected = np.zeros_like(y)
    for place in np.ndindex(x.shape):
        only = np.zeros(x.shape)
        only[place] = x[place]
        expected[place] = (linear(only) * target * y / y).sum()
    assert relative(found, expected) <= 1e-4


def test_a_product_of_constants_of_the_input_passes_all():
    """A factor that does not depend on the input is a weight."""
    rng = np.random.default_rng(1)
    text = """m (float[n, 3, 4] x) => (float[n, 3, 3] y) {
        t = Transpose<perm = [0, 2, 1]>(x); p = Einsum<equation = "nij,njk->nik">(x, t); q = Mul(p, c);
        y = Einsum<equation = "nij,jk->nik">(q, w)
    }"""
    w, c = np.abs(rng.normal(size=(3, 3))).astype(np.float32), np.float32(rng.random((3, 3)) + 0.5)
    x = rng.random((2, 3, 4)).astype(np.float32)
    steps = conservation(parse(text, w=w, c=c), x, (0, 1), "lrp", composite="attnlrp")
    assert all(np.allclose(s.given, s.passed, rtol=1e-3) for s in steps)
    halves = [s for s in steps if s.operator == "Transpose"]
    assert np.allclose(halves[0].given, steps[0].given / 2, rtol=1e-3)


def test_what_attnlrp_refuses():
    """A quotient by anything but a root, a root that is read for more than to divide, a power, an exponential."""
    text = "m (float[n, 3] x) => (float[n, 3] y) { h = MatMul(x, W); s = Sigmoid(h); e = Exp(h); y = Div(e, s) }"
    x, W = np.ones((1, 3), np.float32), np.eye(3, dtype=np.float32)
    with pytest.raises(onnxpath.UnsupportedOperator) as error:
        onnxpath.attribute(parse(text, W=W), x, method="lrp", composite="attnlrp")
    assert "Exp" in str(error.value) and "its divisor depends on the input" in str(error.value)
    text = "m (float[n, 3] x) => (float[n, 3] y) { h = MatMul(x, W); r = Sqrt(h); d = Div(x, r); y = Add(d, r) }"
    with pytest.raises(onnxpath.UnsupportedOperator, match="Sqrt"):
        onnxpath.attribute(parse(text, W=W), x, method="lrp", composite="attnlrp")
    with pytest.raises(onnxpath.UnsupportedOperator, match=r"Softmax .*: only the composite attnlrp has a relevance"):
        onnxpath.attribute(sample("digits_vit"), sample_images()[:1], method="lrp")


def test_masked_out_scores_get_nothing():
    text = "m (float[n, 3] x) => (float[n, 3] y) { h = Add(x, mask); y = Softmax(h); }".replace("; }", " }")
    model = parse(
        text.replace("y = Softmax(h)", "s = Softmax(h); y = MatMul(s, W)"),
        W=np.eye(3, dtype=np.float32),
        mask=np.float32([0, -np.inf, 0]),
    )
    found = onnxpath.attribute(model, np.float32([[1, 2, 3]]), method="lrp", composite="attnlrp").values
    assert np.isfinite(found).all() and found[0, 1] == 0 and found[0, 0] != 0
