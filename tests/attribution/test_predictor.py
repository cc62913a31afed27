"""The function that LIME and KernelSHAP call, and those two calling it."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from tests.models import mlp, parse, run

RNG = np.random.default_rng(6)
X = RNG.normal(size=(40, 6)).astype(np.float32)


def softmax(y):
    shifted = np.exp(y - y.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def test_scores_of_rows_of_any_number_and_float_type():
    model = mlp()
    expected = run(model, {"x": X})["y"]
    np.testing.assert_allclose(onnxpath.predictor(model)(X), expected, rtol=1e-5)
    np.testing.assert_allclose(onnxpath.predictor(model, 2)(X.astype(np.float64)), expected[:, 2], rtol=1e-5)
    found = onnxpath.predictor(model, scores="softmax")(X[:3])
    np.testing.assert_allclose(found, softmax(expected[:3]), rtol=1e-5)
    small = onnxpath.predictor(onnxpath.load(model, providers="cpu", memory=1), 0)
    np.testing.assert_allclose(small(X), expected[:, 0], rtol=1e-5)
    assert small(X[:1]).shape == (1,)


def test_a_softmax_at_the_end_is_kept_unless_logits_are_asked_for():
    model = parse("m (float[n, 3] x) => (float[n, 3] y) { l = Mul(x, x); y = Softmax(l) }")
    x = X[:4, :3]
    np.testing.assert_allclose(onnxpath.predictor(model)(x), softmax(x**2), rtol=1e-5)
    np.testing.assert_allclose(onnxpath.predictor(model, scores="logits")(x), x**2, rtol=1e-5)
    np.testing.assert_allclose(onnxpath.predictor(model, 1, scores="softmax")(x), softmax(x**2)[:, 1], rtol=1e-5)


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="target 3 is out of range"):
        onnxpath.predictor(mlp(), 3)
    with pytest.raises(UnknownName, match="no kind of scores named 'logit'; did you mean 'logits'"):
        onnxpath.predictor(mlp(), scores="logit")
    with pytest.raises(UnknownName, match="no float output named 'z'"):
        onnxpath.predictor(mlp(), output="z")
    with pytest.raises(InputError, match="input 'x' wants N×6"):
        onnxpath.predictor(mlp())(X[:, :5])


def exact_shapley(score, x, background):
    """Shapley values by all subsets, of the mean over a background."""
    from itertools import combinations
    from math import factorial

    n = len(x)

    def value(chosen):
        rows = background.copy()
        rows[:, list(chosen)] = x[list(chosen)]
        return float(score(rows).mean())

    values = np.zeros(n)
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            values[i] += sum(weight * (value((*some, i)) - value(some)) for some in combinations(rest, size))
    return values


@pytest.mark.needs("shap")
@pytest.mark.filterwarnings("ignore")
def test_kernel_shap():
    import shap

    predict = onnxpath.predictor(mlp(), target=1)
    found = shap.KernelExplainer(predict, X[:8]).shap_values(X[20:22], silent=True)
    for row in range(2):
        np.testing.assert_allclose(found[row], exact_shapley(predict, X[20 + row], X[:8]), atol=1e-4)


@pytest.mark.needs("lime")
@pytest.mark.filterwarnings("ignore")
def test_lime():
    """Near a point a linear model is its own weights, up to LIME's ridge penalty."""
    from lime.lime_tabular import LimeTabularExplainer

    weights = np.float32([[1, 0], [-2, 0], [0, 0], [0.5, 0], [0, 0], [3, 0]])
    model = parse("m (float[n, 6] x) => (float[n, 2] y) { y = MatMul(x, w) }", w=weights)
    explainer = LimeTabularExplainer(X, mode="regression", discretize_continuous=False, random_state=0)
    found = explainer.explain_instance(X[0], onnxpath.predictor(model, target=0), num_features=6, num_samples=2000)
    slopes = dict(found.as_map()[1])
    scaled = np.array([slopes[i] for i in range(6)]) / X.std(0)
    assert np.corrcoef(scaled, weights[:, 0])[0, 1] > 0.999
    # The page of docs promises the same for classes: probabilities of all of them.
    classes = LimeTabularExplainer(X, random_state=0)
    predict = onnxpath.predictor(model, scores="softmax")
    assert len(classes.explain_instance(X[0], predict, num_samples=100).as_list()) == 6
