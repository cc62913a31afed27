"""scikit-learn's networks through skl2onnx against differences of scikit-learn's own predictions, in float64."""

import numpy as np
import pytest

skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed: scikit-learn's exporter has no tests")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

import onnxpath  # noqa: E402
from tests.exporters.oracle import assert_same_gradient, session_of  # noqa: E402

ROWS, STEP = 4, 1e-6


def classifier(activation):
    x, y = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), MLPClassifier((12, 8), activation, max_iter=60, random_state=0)).fit(x, y), x


def digits():
    x, y = load_digits(return_X_y=True)
    return MLPClassifier((16,), max_iter=15, random_state=0).fit(x, y), x


def two_classes():
    x, y = load_iris(return_X_y=True)
    return MLPClassifier((6,), "logistic", max_iter=80, random_state=0).fit(x[:100], y[:100]), x[:100]


def regressor():
    x, y = load_iris(return_X_y=True)
    return make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(10,), activation="tanh", max_iter=60, random_state=0)
    ).fit(x, y), x


MODELS = {
    "relu": lambda: classifier("relu"),
    "tanh": lambda: classifier("tanh"),
    "digits": digits,
    "two classes": two_classes,
    "regressor": regressor,
}


@pytest.mark.parametrize("rows", [ROWS, None], ids=["fixed", "symbolic"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")  # training stops early
def test_the_gradient_is_that_of_scikit_learn_s_predictions(name, rows):
    model, data = MODELS[name]()
    sure = not hasattr(model, "predict_proba")
    of = "variable" if sure else "probabilities"
    options = None if sure else {id(model): {"zipmap": False}}
    exported = skl2onnx.to_onnx(model, data[:1].astype(np.float32), options=options)
    if rows is not None:
        exported.graph.input[0].type.tensor_type.shape.dim[0].dim_value = rows
    built = session_of(onnxpath.gradient_graph(exported, of=[of]))
    rng = np.random.default_rng(0)
    for count in [rows] if rows is not None else (1, ROWS):
        x = rng.permutation(data)[:count].astype(np.float32) + rng.normal(0, 0.1, (count, data.shape[1])).astype("f4")
        cotangent = rng.normal(size=np.atleast_2d(outputs(model, x)).shape).astype(np.float32)
        feeds = {"X": x, f"grad_{of}": cotangent}
        found, grad = built.run([of, "grad_X"], feeds)
        np.testing.assert_allclose(found, outputs(model, x), rtol=1e-3, atol=1e-5)
        assert_same_gradient(grad, differences(model, x.astype(np.float64), cotangent))


def outputs(model, x):
    """Probabilities [N, classes], or the regression's [N, 1]."""
    return model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)[:, None]


def differences(model, x, cotangent):
    """Central differences of <cotangent, outputs> by every feature."""
    grad = np.empty_like(x)
    for feature in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[feature] = STEP
        change = outputs(model, x + step) - outputs(model, x - step)
        grad[:, feature] = (change * cotangent).sum(1) / (2 * STEP)
    return grad.astype(np.float32)
