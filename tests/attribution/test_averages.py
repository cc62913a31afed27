"""Averages over draws, of baselines and of noise: distributions, seeds, and what noise methods cannot do."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from tests.attribution.shared import AVERAGES, attribute, normal_of
from tests.models import mlp, parse, relative, sample, sample_images

normal = normal_of(np.random.default_rng(21))


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
    with pytest.raises(
        UnknownName, match="no option of method 'smoothgrad' or 'gradient' named 'n_steps'; did you mean 'n_samples'"
    ):
        attribute(sample("digits_cnn"), x, "smoothgrad", n_steps=3)
    for wrong in (-1, "much", np.inf, [1, 2]):
        with pytest.raises(InputError, match="`stdevs` are numbers of at least 0"):
            attribute(sample("digits_cnn"), x, "smoothgrad", stdevs=wrong)
    with pytest.raises(UnknownName, match=r"no float input named 'imag'; did you mean 'image'\?"):
        attribute(sample("digits_cnn"), x, "smoothgrad", stdevs={"imag": 1})
