"""Whole models in 16 and 64 bits and mixed: the same explanations as in float32, or an error before anything runs."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto

import onnxpath
from onnxpath.errors import InputError, ProviderError, UnsupportedOperator
from tests.formats import in_format
from tests.models import SAMPLES, cosine, mlp, parse, relative, run, sample, sample_images

METHODS = ("gradient", "input-x-gradient", "integrated-gradients", "pathway-gradient")
SELECTORS = ("neuron-mct", "neuron-intgrad", "random", "activation-only")
HALF, DOUBLE, BRAIN = TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16


def rows(count=6):
    return np.random.default_rng(3).normal(size=(count, 6)).astype(np.float32)


@pytest.mark.parametrize("ends", [HALF, TensorProto.FLOAT], ids=["float16 ends", "float32 ends"])
@pytest.mark.parametrize("name", SAMPLES)
def test_float16(name, ends):
    narrow = onnxpath.load(in_format(sample(name), HALF, keep_ends=ends != HALF))
    x = sample_images()
    fed = x.astype(np.float16) if ends == HALF else x
    for method in METHODS:
        exact = onnxpath.attribute(sample(name), x, method=method)
        found = onnxpath.attribute(narrow, fed, method=method)
        np.testing.assert_array_equal(found.prediction, exact.prediction)
        angles = [cosine(a, b) for a, b in zip(found.values, exact.values, strict=True)]
        # A few ReLUs sit so near their kink, and neurons so near the cut, that rounding flips them.
        middle, least = (0.99, 0.95) if method == "pathway-gradient" else (0.9995, 0.98)
        assert np.median(angles) > middle and min(angles) > least, (method, angles)


@pytest.mark.parametrize("selector", SELECTORS)
def test_pathways_in_float16(selector):
    x = sample_images()
    exact = onnxpath.critical_pathway(sample("digits_cnn"), x, selector=selector)
    found = onnxpath.critical_pathway(in_format(sample("digits_cnn"), HALF), x.astype(np.float16), selector=selector)
    for a, b in zip(exact, found, strict=True):
        assert a.jaccard(b) > 0.95
        assert abs(a.original.logit - b.original.logit) < 0.05
        assert a.kept_prediction == b.kept_prediction


def test_contributions_of_float16_layers_neither_vanish_nor_overflow():
    """a · g below the smallest and above the largest float16, of factors that are neither."""
    for size, slope in ((1e-4, 1e-4), (300.0, 300.0)):
        text = "m (float16[n, 4] x) => (float16[n, 2] y) { a = Relu(x); y = MatMul(a, W) }"
        weight = np.float16([[slope, 0], [slope, 0], [slope / 2, 0], [slope / 4, 0]])
        x = np.float16([[size / 2, size, size, -size]])
        if slope > 1:
            x /= 4
            x[0, 1:3] = [100, -1]  # 100 · 300 stays below the largest float16 as a logit
        (found,) = onnxpath.critical_pathway(parse(text, W=weight), x, target=0, sparsity=0.75)
        assert found.masks["a"].tolist() == [[False, True, False, False]][0]
    (all_of_them,) = onnxpath.critical_pathway(parse(text, W=weight * np.float16(2.0)), np.float16([[40, 40, 0, 0]]), 0)
    assert np.isfinite(all_of_them.original.logit)


def test_masks_have_the_dtype_of_their_layer():
    for dtype in (HALF, DOUBLE):
        masked = onnxpath.insert_masks(in_format(mlp(), dtype))
        kinds = {v.name: v.type.tensor_type.elem_type for v in masked.graph.input}
        assert kinds == {"x": dtype, "mask_a0": dtype, "mask_a1": dtype}


MIXED = """m (float[n, 6] x) => (float[n, 3] y) {
    h = Cast<to = 10>(x); z = MatMul(h, W); a = Relu(z); f = Cast<to = 1>(a);
    m = ReduceMean<keepdims = 1>(f, axes); c = Sub(f, m); d = Cast<to = 10>(c); e = MatMul(d, V);
    y = Cast<to = 1>(e)
}"""


def mixed_weights():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 8)).astype(np.float16), rng.normal(size=(8, 3)).astype(np.float16)


@pytest.mark.parametrize("method", METHODS)
def test_casts_inside(method):
    W, V = mixed_weights()
    axes = np.int64([1])
    model = parse(MIXED, W=W, V=V, axes=axes)
    plain = MIXED.replace("<to = 10>", "<to = 1>")
    plain = parse(plain, W=W.astype(np.float32), V=V.astype(np.float32), axes=axes)
    found, exact = (onnxpath.attribute(m, rows(), 1, method=method) for m in (model, plain))
    assert found.values.dtype == np.float32
    assert relative(found.values, exact.values) < 5e-3


def test_float64_against_finite_differences():
    model = in_format(mlp(activation="Tanh"), DOUBLE)
    x = rows().astype(np.float64)
    seed = np.random.default_rng(4).normal(size=(6, 3))
    made = onnxpath.gradient_graph(model)
    grad = run(made, {"x": x, "grad_y": seed})["grad_x"]
    assert grad.dtype == np.float64
    step = 1e-6
    for column in range(6):
        move = step * np.eye(6)[column]
        change = (run(model, {"x": x + move})["y"] - run(model, {"x": x - move})["y"]) / (2 * step)
        np.testing.assert_allclose(grad[:, column], (change * seed).sum(1), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_float64_attribution(method):
    exact = onnxpath.attribute(mlp(), rows(), method=method, **({"sparsity": 0.5} if "pathway" in method else {}))
    model = in_format(mlp(), DOUBLE)
    found = onnxpath.attribute(
        model, rows().astype(np.float64), method=method, **({"sparsity": 0.5} if "pathway" in method else {})
    )
    assert found.values.dtype == np.float64 and found.logits.dtype == np.float64
    assert relative(found.values, exact.values) < 1e-5


def test_integrated_gradients_of_16_bits_are_added_up_in_more():
    found = onnxpath.attribute(in_format(mlp(), HALF), rows().astype(np.float16), method="integrated-gradients")
    exact = onnxpath.attribute(mlp(), rows(), method="integrated-gradients")
    assert found.values.dtype == np.float32
    assert relative(found.values, exact.values) < 5e-3


# ------------------------------------------------------------------------------------------------- without a kernel


@pytest.mark.parametrize("explain", [onnxpath.attribute, onnxpath.critical_pathway])
def test_operators_without_a_kernel_are_named(explain):
    with pytest.raises(ProviderError) as error:
        explain(in_format(sample("digits_cnn"), DOUBLE), sample_images().astype(np.float64))
    text = str(error.value)
    assert text.startswith("the CPU provider of ONNX Runtime has no kernel for Conv in float64 (node '/conv1/Conv' and")
    assert text.endswith("convert the model, or these nodes between Casts, to float32 or float16")


def test_bfloat16_without_kernels():
    model = in_format(mlp(), BRAIN)
    onnx.checker.check_model(onnxpath.gradient_graph(model), full_check=True)
    with pytest.raises(ProviderError, match=r"no kernel for Gemm in bfloat16 \(node 'Gemm_0' and 2 more\), Relu in bf"):
        onnxpath.critical_pathway(model, rows())


def test_an_operator_that_a_dtype_is_not_defined_for():
    with pytest.raises(UnsupportedOperator, match="Conv at opset 21 does not take bfloat16, bfloat16"):
        onnxpath.gradient_graph(in_format(sample("digits_cnn"), BRAIN))


WIDENED = """m (bfloat16[n, 6] x) => (bfloat16[n, 3] y) {
    f = Cast<to = 1>(x); w = Cast<to = 1>(W); z = MatMul(f, w); a = Relu(z); v = Cast<to = 1>(V);
    e = MatMul(a, v); y = Cast<to = 16>(e)
}"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_bfloat16_ends(method, dtype):
    """Weights and ends in bfloat16, computed in float32. numpy has no bfloat16: values come out as float32."""
    W, V = (w.astype(ml_dtypes.bfloat16) for w in mixed_weights())
    plain = parse(
        "m (float[n, 6] x) => (float[n, 3] y) { z = MatMul(x, W); a = Relu(z); y = MatMul(a, V) }",
        W=W.astype(np.float32),
        V=V.astype(np.float32),
    )
    x = rows().astype(ml_dtypes.bfloat16)
    found = onnxpath.attribute(parse(WIDENED, W=W, V=V), x.astype(dtype), 2, method=method)
    exact = onnxpath.attribute(plain, x.astype(np.float32), 2, method=method)
    assert found.values.dtype == found.logits.dtype == np.float32
    assert relative(found.values, exact.values) < 0.02


@pytest.mark.parametrize("selector", SELECTORS)
def test_pathways_with_bfloat16_ends(selector):
    W, V = (w.astype(ml_dtypes.bfloat16) for w in mixed_weights())
    found = onnxpath.critical_pathway(parse(WIDENED, W=W, V=V), rows(), selector=selector, sparsity=0.5)
    assert [p.density for p in found] == [0.5] * 6 or selector != "random"


def test_values_that_a_dtype_cannot_hold():
    with pytest.raises(InputError, match="holds NaN or Inf as float16"):
        onnxpath.attribute(in_format(mlp(), HALF), np.full((1, 6), 1e6, np.float32))


@pytest.mark.parametrize("node", ["Clip<min = -0.5, max = 0.5>(h)", "Pad<pads = [0, 1, 0, 0], value = 1.0>(h)"])
def test_float16_of_an_old_opset(node):
    """Attributes of opset 10 that became inputs."""
    text = f"m (float16[n, 4] x) => (float16[n, k] y) {{ h = Mul(x, x); y = {node} }}"
    x = np.float16([[0.3, -0.6, 0.9, 0.1]])
    made = onnxpath.gradient_graph(parse(text, opset=10, ir=5))
    onnx.checker.check_model(made, full_check=True)
    values = run(made, {"x": x, "grad_y": np.ones((1, 4 + node.startswith("Pad")), np.float16)})
    expected = 2 * x * (x * x < 0.5) if node.startswith("Clip") else 2 * x
    np.testing.assert_allclose(values["grad_x"], expected, rtol=1e-3)
