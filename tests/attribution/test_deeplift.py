"""DeepLIFT by hand, by slow formulas and by completeness: what Captum cannot judge of it."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import UnsupportedOperator
from onnxpath.rules.deeplift import ELEMENTWISE
from tests.attribution.shared import attribute, normal_of
from tests.check import LATE
from tests.models import parse, relative, run, sample, sample_images
from tests.reference_model import in_double

RNG = np.random.default_rng(21)
normal = normal_of(RNG)

PARTS = {
    "layer norm": "a = LayerNormalization(x, S, B)",
    "layer norm over two axes": "a = LayerNormalization<axis = 2>(x, S2)",
    "rms norm": "a = RMSNormalization(x, S)",
    "instance norm": "a = InstanceNormalization(x, C, C)",
    "group norm": "a = GroupNormalization<num_groups = 2>(x, C, C)",
    "lp norm": "a = LpNormalization<axis = 3>(x)",
    "local response": "a = LRN<size = 3>(x)",
    "mean and variance": "a = MeanVarianceNormalization<axes = [2, 3]>(x)",
    "norm by hand": "n = ReduceL2(x, last); a = Div(x, n)",
    "square": "a = Mul(x, x)",
    "power": "a = Pow(x, two)",
    "gate": "s = Sigmoid(x); a = Mul(x, s)",
    "quotient": "e = Exp(x); d = Add(e, one); a = Div(x, d)",
    "attention": "t = Transpose<perm = [0, 1, 3, 2]>(x); q = MatMul(x, t); p = Softmax(q); a = MatMul(p, x)",
    "softmax of the middle axis": "a = Softmax<axis = 2>(x)",
    "einsum": 'a = Einsum<equation = "nchw,nchv->ncwv">(x, x)',
    "normalized batches": "a = BatchNormalization(x, C, C, C, V)",
    "overlapping max-pool": "a = MaxPool<kernel_shape = [3, 3], strides = [1, 2], pads = [1, 1, 1, 1]>(x)",
    "global max-pool": "a = GlobalMaxPool(x)",
    "largest and smallest": "u = ReduceMax(x, last); v = ReduceMin(x, last); a = Sub(u, v)",
    "extremes with constants": "u = Max(x, M); a = Min(u, one)",
    "clip": "a = Clip(x, one, two)",
    "prelu": "a = PRelu(x, C1)",
    "piecewise constant": "a = Floor(x)",
    "roots": "u = Abs(x); v = Sqrt(u); w = Log(u); a = Add(v, w)",
    "resize": "a = Resize<mode = \"linear\">(x, , scales)",
    "convolutions": "u = Conv<pads = [1, 1, 1, 1]>(x, K, C); v = Gelu(u); a = ConvTranspose<strides = [2, 2]>(v, K)",
    "shapes": "u = Shape(x); v = Size(x); w = Cast<to = 1>(v); y0 = Reshape(x, u); a = Div(y0, w)",
    "a hidden NaN": "n = IsNaN(x); a = Where(n, zero, x)",
}  # fmt: skip
CONSTANTS = {
    "S": normal(5), "B": normal(5), "S2": normal(4, 5), "C": normal(6), "C1": np.abs(normal(6, 1, 1)),
    "M": normal(4, 5), "V": np.abs(normal(6)),
    "last": np.array([3]), "one": np.float32(0.3), "two": np.float32(2), "zero": np.float32(0),
    "scales": np.float32([1, 1, 2, 2]), "K": normal(6, 6, 3, 3),
}  # fmt: skip


def built(part, head="b = Tanh(a); r = ReduceMean(b, rest); f = Flatten(r); y = MatMul(f, W)"):
    text = f"m (float[n, 6, 4, 5] x) => (float[n, 3] y) {{ {part}; {head} }}"
    used = {k: v for k, v in CONSTANTS.items() if f" {k}," in part.replace(")", ",").replace("(", "( ")}
    return parse(text, opset=23, rest=np.array([2, 3]), W=normal(6, 3), **used)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_deeplift_is_complete(part):
    """The map sums to F(x) - F(x'), whatever the operators."""
    x, start = np.random.default_rng(5).normal(size=(2, 3, 6, 4, 5))
    with in_double(built(part)) as model:
        found = onnxpath.attribute(model, x, 1, "deeplift", baselines=start)
        change = found.logits[:, 1] - onnxpath.attribute(model, start, 1, "gradient").logits[:, 1]
    assert np.abs(change).min() > 1e-5
    np.testing.assert_allclose(found.values.reshape(3, -1).sum(1), change, atol=1e-9 * np.abs(change).max())
    np.testing.assert_allclose(found.delta, 0, atol=1e-9 * np.abs(change).max())


@pytest.mark.parametrize("operator", [name for name in ELEMENTWISE if name not in LATE])  # of LATE there is no float64
def test_elementwise_operators_are_rescaled(operator):
    """Map = Δy of each element: exact for any elementwise operator, and the gradient where nothing differs."""
    second = {"Pow": "p", "PRelu": "s", "Max": "s", "Min": "s"}.get(operator, "")
    call = f"{operator}(x{', ' + second if second else ''})"
    # Inside every domain: Acosh wants 1 and more, the others at most 1.
    low, high = (1.1, 3) if operator == "Acosh" else (0.1, 0.9)
    text = f"m (float[n, 4] x) => (float[n, 4] y) {{ y = {call} }}"
    model = parse(text, opset=24, s=np.float32(0.5), p=np.float32(1.5))
    x, start = RNG.uniform(low, high, (2, 4)), RNG.uniform(low, high, (2, 4))
    start[0, 2] = x[0, 2]
    with in_double(model) as loaded:
        asked = {"method": "deeplift", "baselines": start}
        found = onnxpath.attribute(loaded, x, np.ones((2, 4)), **asked)
        slopes = onnxpath.attribute(loaded, x, np.ones((2, 4)), **asked, multiply_by_inputs=False)
        plain = onnxpath.attribute(loaded, x, np.ones((2, 4)), "gradient")
        at_start = onnxpath.attribute(loaded, start, np.ones((2, 4)), "gradient").logits
    np.testing.assert_allclose(found.values, plain.logits - at_start, atol=1e-12)
    assert slopes.values[0, 2] == pytest.approx(plain.values[0, 2])


@pytest.mark.parametrize(("operator", "f"), [("Mul", np.multiply), ("Div", np.divide)])
def test_two_factors_get_their_shapley_values(operator, f):
    model = parse(f"m (float[n, 4] a, float[n, 4] b) => (float[n, 4] y) {{ y = {operator}(a, b) }}")
    a, b, a0, b0 = (RNG.uniform(0.5, 2, (3, 4)).astype(np.float32) for _ in range(4))
    found = attribute(model, {"a": a, "b": b}, "deeplift", np.ones((3, 4), np.float32), baselines={"a": a0, "b": b0})
    expected = (f(a, b) - f(a0, b) + f(a, b0) - f(a0, b0)) / 2
    assert relative(found.values["a"], expected) <= 1e-5
    assert relative(found.values["b"], f(a, b) - f(a0, b0) - expected) <= 1e-5


def test_overlapping_windows_of_max_pool():
    """What the output rose goes to the winner at x, what it fell to the winner at the baseline; windows add up."""
    x, start = np.float32([[1, 5, 2, 0, 4, 3]]), np.float32([[2, 1, 1, 6, 3, 1]])
    model = parse(
        "m (float[n, 6] x) => (float[n, 2] y) { u = Unsqueeze(x, one); "
        "p = MaxPool<kernel_shape = [4], strides = [2]>(u); y = Squeeze(p, one) }",
        one=np.array([1]),
    )
    # Windows: (1 5 2 0) from (2 1 1 6), (2 0 4 3) from (1 6 3 1): both fall, from 6 to 5 and to 4, won at place 3.
    found = attribute(model, x, "deeplift", np.float32([[1, 1]]), baselines=start)
    np.testing.assert_allclose(found.values, [[0, 0, 0, -1 - 2, 0, 0]], atol=1e-6)


def test_deeplift_of_operators_without_a_rule():
    model = parse(
        "m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); b = Max(x, a); c = Pow(b, a); d = LogSoftmax(c); "
        'y = Einsum<equation = "ni,ni,ni->ni">(d, d, d) }'
    )
    with pytest.raises(UnsupportedOperator) as error:
        attribute(model, normal(2, 6), "deeplift")
    text = str(error.value)
    assert text.startswith("no deeplift rule for 4 operators on the way from 'y' to 'x':")
    for line in (
        "Max (opset 21): node",
        "Pow (opset 21): node",
        "LogSoftmax (opset 21): node",
        "choose integrated-grad",
    ):
        assert line in text


def test_deeplift_of_decisions():
    model = parse(
        "m (float[n, 6] x) => (float[n, 6] y) { c = Greater(x, zero); h = Mul(x, half); y = Where(c, x, h) }",
        zero=np.float32(0),
        half=np.float32(0.5),
    )
    with pytest.raises(UnsupportedOperator, match=r"integers or booleans differ (.|\n)*Where: node '.*' reads 'c'"):
        attribute(model, normal(2, 6), "deeplift")


def test_deeplift_in_one_file():
    x, start = sample_images()[:3], normal(1, 1, 16, 16)
    for name in ("digits_cnn", "digits_vit"):
        file = onnxpath.compile(sample(name), method="deeplift", baselines=start)
        expected = attribute(sample(name), x, "deeplift", baselines=start)
        assert relative(run(file, {"image": x})["attribution"], expected.values) <= 1e-4


def test_baselines_of_deeplift_shap_are_averaged():
    x, starts = sample_images()[:2], sample_images()[6:9]
    one = [attribute(sample("digits_resnet"), x, "deeplift", 4, baselines=starts[i : i + 1]) for i in range(3)]
    found = attribute(sample("digits_resnet"), x, "deeplift-shap", 4, baselines=starts)
    assert relative(found.values, np.mean([o.values for o in one], 0)) <= 1e-6
    np.testing.assert_allclose(found.delta, np.mean([o.delta for o in one], 0), atol=1e-4)
    assert not found.notes
    (note,) = attribute(sample("digits_resnet"), x, "deeplift-shap", 4).notes
    assert note == "the only baseline is zero; give a sample of the data as `baselines`"
