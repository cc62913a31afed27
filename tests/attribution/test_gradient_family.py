"""What Captum cannot judge of the gradient family: by hand, by slow formulas, by the axioms; embeddings and 16 bits."""

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.errors import InputError, ModelError, UnknownName, UnsupportedOperator
from onnxpath.rules.deeplift import ELEMENTWISE
from tests.check import LATE
from tests.models import mlp, parse, relative, run, sample, sample_images
from tests.reference_model import in_double

RNG = np.random.default_rng(21)
LAYER = ("layer-activation", "layer-gradient-x-activation", "conductance", "internal-influence")
AVERAGES = ("expected-gradients", "gradient-shap", "deeplift-shap")
NOISY = ("smoothgrad", "smoothgrad-squared", "vargrad")
OF_A_LAYER = (*LAYER, "neuron-conductance")
FAMILY = ("deeplift", "rectgrad", *AVERAGES, *NOISY)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def attribute(model, x, method, target=None, **options):
    return onnxpath.attribute(onnxpath.load(model, providers="cpu"), x, target, method, **options)


# ------------------------------------------------------------------------------------------------------------ DeepLIFT

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


# ------------------------------------------------------------------------------------------------- averages over draws


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (np.zeros((3, 7)), InputError, r"`baselines` of input 'x' are rows \[B, 6\]"),
        (np.zeros((0, 6)), InputError, "have no rows, or hold NaN or Inf"),
        (np.full((2, 6), np.nan), InputError, "have no rows, or hold NaN or Inf"),
        ("black", InputError, r"`baselines` of input 'x' are rows"),
        ({"z": 0}, UnknownName, "no float input named 'z'"),
    ],
    ids=["shape", "empty", "NaN", "text", "name"],
)
@pytest.mark.parametrize("method", AVERAGES)
def test_distributions_that_do_not_fit(method, given, error, text):
    with pytest.raises(error, match=text):
        attribute(mlp(), normal(2, 6), method, baselines=given)


def test_distributions_of_several_inputs_go_together():
    """One draw takes the same row of every sample: of two inputs that cancel each other there, nothing is left."""
    model = parse("m (float[n, 3] a, float[n, 3] b) => (float[n, 3] y) { y = Add(a, b) }")
    feeds = {"a": np.zeros((2, 3), np.float32), "b": np.zeros((2, 3), np.float32)}
    sample_rows = normal(5, 3)
    both = {"a": sample_rows, "b": -sample_rows}
    for method in AVERAGES:
        found = attribute(model, feeds, method, 1, baselines=both)
        np.testing.assert_allclose(found.values["a"], -found.values["b"], atol=1e-6)
        assert np.abs(found.values["a"]).max() > 0.01
        np.testing.assert_allclose(found.delta, 0, atol=1e-6)
    with pytest.raises(InputError, match=r"different numbers of rows: \{'a': 5, 'b': 4\}"):
        attribute(model, feeds, "deeplift-shap", 1, baselines={"a": normal(5, 3), "b": normal(4, 3)})


def test_expectations_come_near_completeness():
    x, starts = sample_images()[:2], sample_images()[4:]
    found = attribute(sample("digits_vit"), x, "expected-gradients", baselines=starts, n_samples=300)
    few = attribute(sample("digits_vit"), x, "expected-gradients", baselines=starts, n_samples=3)
    assert np.abs(found.delta).max() < 0.5 < np.abs(few.delta).max()


@pytest.mark.parametrize("method", ["smoothgrad", "gradient-shap"])
def test_draws_depend_on_the_seed_alone(method):
    x = sample_images()[:3]
    asked = {"n_samples": 2, "stdevs": 0.2}
    one, same, other = (attribute(sample("digits_vit"), x, method, seed=s, **asked).values for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert relative(other, one) > 0.05
    with pytest.raises(InputError, match="n_samples must be at least 1; 0 was given"):
        attribute(sample("digits_vit"), x, method, n_samples=0)


def test_noise_that_nobody_chose_goes_by_the_range_of_each_row():
    """A row in other units, and a network that undoes them, have the same map but for the units."""
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { a = Tanh(x); y = MatMul(a, W) }", W=normal(6, 6))
    large = parse(
        "m (float[n, 6] x) => (float[n, 6] y) { s = Mul(x, k); a = Tanh(s); y = MatMul(a, W) }",
        W=np.frombuffer(model.graph.initializer[0].raw_data, np.float32).reshape(6, 6),
        k=np.float32(0.01),
    )
    x = normal(2, 6)
    one, other = attribute(model, x, "smoothgrad", 2), attribute(large, 100 * x, "smoothgrad", 2)
    assert relative(100 * other.values, one.values) <= 1e-4
    spread = 0.15 * np.ptp(x, 1, keepdims=True)
    rng = np.random.default_rng(0)
    noise = [spread * rng.standard_normal(6) for _ in range(25)]
    slopes = np.mean([attribute(model, (x + z).astype(np.float32), "gradient", 2).values for z in noise], 0)
    assert relative(one.values, slopes) <= 1e-4


def test_no_noise_is_the_method_itself():
    x = sample_images()[:2]
    for base in ("input-x-gradient", "rectgrad", "layer-gradient-x-activation"):
        extra = {"layer": onnxpath.load(sample("digits_cnn")).layers()[1].name} if "layer" in base else {}
        plain = attribute(sample("digits_cnn"), x, base, **extra)
        found = attribute(sample("digits_cnn"), x, "smoothgrad", base=base, stdevs=0.0, n_samples=2, **extra)
        assert list(found.maps) == list(plain.maps) and relative(found.values, plain.values) <= 1e-6
    none = attribute(sample("digits_cnn"), x, "vargrad", stdevs=0.0, n_samples=2)
    np.testing.assert_allclose(none.values, 0, atol=1e-12)


def test_noise_methods_say_what_they_cannot_do():
    x = sample_images()[:1]
    with pytest.raises(InputError, match="a method without noise of its own, not 'vargrad'"):
        attribute(sample("digits_cnn"), x, "smoothgrad", base="vargrad")
    with pytest.raises(UnknownName, match=r"no attribution method named 'gradeint'; did you mean 'gradient'\?"):
        attribute(sample("digits_cnn"), x, "smoothgrad", base="gradeint")
    with pytest.raises(UnknownName, match="no option of method 'gradient' named 'n_steps'"):
        attribute(sample("digits_cnn"), x, "smoothgrad", n_steps=3)
    for wrong in (-1, "much", np.inf, [1, 2]):
        with pytest.raises(InputError, match="`stdevs` are numbers of at least 0"):
            attribute(sample("digits_cnn"), x, "smoothgrad", stdevs=wrong)
    with pytest.raises(UnknownName, match=r"no float input named 'imag'; did you mean 'image'\?"):
        attribute(sample("digits_cnn"), x, "smoothgrad", stdevs={"imag": 1})


# ------------------------------------------------------------------------------------------------------------ RectGrad


def test_rectgrad_by_hand():
    """One layer: of a·R = (3, 0, 8, 0.5, 2) the 60th percentile lies between 2 and 3, and two units pass."""
    model = parse(
        "m (float[n, 5] x) => (float[n, 1] y) { a = Relu(x); y = MatMul(a, W) }",
        W=np.float32([[1], [9], [2], [1], [4]]),
    )
    x = np.float32([[3, -1, 4, 0.5, 0.5]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=60).values, [[3, 0, 8, 0, 0]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=75).values, [[0, 0, 8, 0, 0]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=100).values, np.zeros((1, 5)))
    with pytest.raises(InputError, match="q is a percentile, between 0 and 100; 101 was given"):
        attribute(model, x, "rectgrad", 0, q=101)


def test_rectgrad_ranks_rows_by_themselves_wherever_they_are():
    """Rows on another axis, and sizes that are known at run time only."""
    # Its own draws: how many places pass depends on them, and shared ones on which tests came before.
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(4, 3)).astype(np.float32)}
    plain = parse("m (float[n, t, 4] x) => (float[n, t, 3] y) { a = Relu(x); y = MatMul(a, W) }", **weights)
    turned = parse(
        "m (float[n, t, 4] x) => (float[n, t, 3] y) { u = Transpose<perm = [1, 0, 2]>(x); a = Relu(u); "
        "v = MatMul(a, W); y = Transpose<perm = [1, 0, 2]>(v) }",
        **weights,
    )
    x = rng.normal(size=(3, 7, 4)).astype(np.float32) * np.float32([1, 10, 100])[:, None, None]
    everything = np.ones((3, 7, 3), np.float32)
    found, other = (attribute(m, x, "rectgrad", everything, q=80) for m in (plain, turned))
    assert all(2 <= np.count_nonzero(row) <= 6 for row in found.values)
    np.testing.assert_allclose(found.values, other.values, rtol=1e-5)
    alone = attribute(plain, x[1:2], "rectgrad", everything[:1], q=80)
    np.testing.assert_allclose(found.values[1:2], alone.values, rtol=1e-5)


def test_rectgrad_without_a_rectifier_says_so():
    found = attribute(sample("digits_vit"), sample_images()[:1], "rectgrad")
    assert any("no Relu or Clip" in note for note in found.notes)


# -------------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("method", OF_A_LAYER)
def test_a_layer_has_to_be_named(method):
    x = sample_images()[:1]
    with pytest.raises(InputError, match="needs the option `layer`: a tensor of the model"):
        attribute(sample("digits_cnn"), x, method)
    with pytest.raises(UnknownName, match=r"no computed float tensor named '/Relu_output'; did you mean '/Relu_outp"):
        attribute(sample("digits_cnn"), x, method, layer="/Relu_output")
    turned = parse("m (float[n, 3] x) => (float[n, 3] y) { u = Transpose(x); a = Relu(u); y = Transpose(a) }")
    with pytest.raises(InputError, match="'a' counts rows on axis 1, and a map needs them on its first"):
        attribute(turned, normal(2, 3), method, layer="a")


@pytest.mark.parametrize("method", LAYER)
@pytest.mark.parametrize("name", ["digits_resnet", "digits_vit"])
def test_layers_of_a_batch(method, name):
    x, model = sample_images()[:5], onnxpath.load(sample(name), providers="cpu")
    layer = model.layers()[1].name
    together = onnxpath.attribute(model, x, None, method, layer=layer)
    single = [onnxpath.attribute(model, x[i : i + 1], None, method, layer=layer) for i in range(5)]
    small = onnxpath.load(sample(name), providers="cpu", memory=1)
    assert list(together.maps) == [layer] and together.values.dtype == np.float32
    assert relative(np.concatenate([s.values for s in single]), together.values) <= 1e-3
    assert relative(onnxpath.attribute(small, x, None, method, layer=layer).values, together.values) <= 1e-3
    assert (together.delta is None) == (method != "conductance")


def test_conductance_sums_to_the_change_at_every_layer():
    x, model = sample_images()[:3], onnxpath.load(sample("digits_cnn"), providers="cpu")
    for layer in ("image", model.layers()[0].name, model.layers()[3].name):
        found = onnxpath.attribute(model, x, None, "conductance", layer=layer, n_steps=200, quadrature="trapezoid")
        assert np.abs(found.delta).max() <= 0.05 * np.abs(found.logits).max()


def test_neuron_conductances_add_up_to_integrated_gradients():
    """Over all units of a layer that all paths pass; what is no unit of it is refused."""
    x, model = normal(3, 6), onnxpath.load(mlp(), providers="cpu")
    asked = {"method": "neuron-conductance", "layer": "a0", "n_steps": 4}
    parts = [onnxpath.attribute(model, x, 2, neuron=unit, **asked).values for unit in range(8)]
    whole = onnxpath.attribute(model, x, 2, "integrated-gradients", n_steps=4)
    assert relative(np.sum(parts, 0), whole.values) <= 1e-5
    largest = attribute(model, x, "layer-activation", layer="a0").values.argmax(1)
    found = onnxpath.attribute(model, x, 2, **asked)
    assert relative(found.values, np.stack([parts[unit][i] for i, unit in enumerate(largest)])) <= 1e-6
    alone = [onnxpath.attribute(model, x[i : i + 1], 2, **asked).values for i in range(3)]
    assert relative(np.concatenate(alone), found.values) <= 1e-5
    with pytest.raises(InputError, match="target 8 is out of range: 'a0' has entries 0 to 7 in a row"):
        onnxpath.attribute(model, x, 2, neuron=8, **asked)
    with pytest.raises(InputError, match="`neuron` is an entry of the layer"):
        onnxpath.attribute(model, x, 2, neuron=np.ones((3, 8), np.float32), **asked)


def test_a_layer_that_the_target_does_not_depend_on():
    model = parse("m (float[n, 4] x) => (float[n, 4] y, float[n, 4] z) { y = Relu(x); z = Tanh(x) }")
    for method in OF_A_LAYER[1:]:
        with pytest.raises(ModelError, match="no float path leads from z to y"):
            attribute(model, normal(2, 4), method, layer="z")


# ------------------------------------------------------------------------------------- embeddings, 16 bits, two inputs

TOKENS = """m (int64[n, t] ids) => (float[n, 3] y) {
    e = Gather(E, ids); h = MatMul(e, W); l = LayerNormalization(h, S); a = Relu(l); p = ReduceMean(a, one)
    f = Flatten(p); y = MatMul(f, U)
}"""
TOKEN_WEIGHTS = {"E": normal(9, 4), "W": normal(4, 5), "S": normal(5), "U": normal(5, 3), "one": np.array([1])}


@pytest.mark.parametrize("method", (*FAMILY, *OF_A_LAYER))
def test_models_of_token_ids(method):
    """The map is the embedding's; it is that of the model which begins there."""
    ids = RNG.integers(0, 9, (3, 6))
    after = TOKENS.replace("int64[n, t] ids", "float[n, t, 4] e").replace("e = Gather(E, ids); ", "")
    weights = {k: v for k, v in TOKEN_WEIGHTS.items() if k != "E"}
    extra = {"layer": "a"} if method in OF_A_LAYER else {}
    extra |= {"n_samples": 3} if "n_samples" in METHODS.get(method).defaults else {}
    found = attribute(parse(TOKENS, **TOKEN_WEIGHTS), ids, method, 1, **extra)
    expected = attribute(parse(after, **weights), TOKEN_WEIGHTS["E"][ids], method, 1, **extra)
    assert list(found.maps) == (["a"] if method in LAYER else ["e"])
    assert relative(found.values, expected.values) <= 1e-5


@pytest.mark.parametrize("method", (*FAMILY, *OF_A_LAYER))
def test_sixteen_bits(method):
    """Maps of a float16 model are float32 where products are taken, and near those of the float32 model."""
    weights = {"W": normal(6, 8), "U": normal(8, 3)}
    text = "m (float[n, 6] x) => (float[n, 3] y) { h = MatMul(x, W); a = Relu(h); s = Sigmoid(a); y = MatMul(s, U) }"
    x = normal(4, 6)
    half = {k: v.astype(np.float16) for k, v in weights.items()}
    same = {k: v.astype(np.float32) for k, v in half.items()}
    extra = {"layer": "a"} if method in OF_A_LAYER else {}
    extra |= {"q": 50.0} if method == "rectgrad" else {}
    extra |= {"stdevs": 0.2, "n_samples": 3} if method in (*NOISY, "gradient-shap") else {}
    found = attribute(parse(text.replace("float[", "float16["), **half), x.astype(np.float16), method, 1, **extra)
    expected = attribute(parse(text, **same), x.astype(np.float16).astype(np.float32), method, 1, **extra)
    assert np.isfinite(found.values).all()
    assert found.values.dtype == (np.float16 if method == "layer-activation" else np.float32)
    assert relative(found.values, expected.values) <= 2e-2


def test_inputs_that_have_no_map_are_fed_as_they_are():
    """DeepLIFT's second pass and the others' paths leave integers, and inputs that are not asked for, alone."""
    model = parse(
        "m (float[n, 4] x, float[n, 4] z, int64[n] i) => (float[n, 3] y) { g = Gather(E, i); a = Mul(x, z); "
        "b = Add(a, g); c = Tanh(b); y = MatMul(c, W) }",
        E=normal(5, 4),
        W=normal(4, 3),
    )
    feeds = {"x": normal(3, 4), "z": normal(3, 4), "i": np.array([0, 3, 4])}
    found = attribute(model, feeds, "deeplift", 1, wrt=["x"])
    assert list(found.maps) == ["x"]
    np.testing.assert_allclose(found.delta, 0, atol=1e-5)
    ends = [attribute(model, feeds | {"x": x}, "gradient", 1).logits[:, 1] for x in (feeds["x"], 0 * feeds["x"])]
    np.testing.assert_allclose(found.values.sum(1), ends[0] - ends[1], atol=1e-5)
