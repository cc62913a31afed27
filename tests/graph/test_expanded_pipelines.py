"""Scikit-learn pipelines as skl2onnx writes them: gradients against scikit-learn's own mathematics."""

import warnings

import numpy as np
import pytest

from onnxpath import attribute, gradient_graph
from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from tests.models import run

pytestmark = pytest.mark.needs("sklearn", "skl2onnx")


@pytest.fixture(scope="module")
def data():
    """(X float32 [150, 4], class of three, class of two, a name of three, a number)."""
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    number = x @ np.float32([1, 2, -1, 0.5]) + np.sin(x[:, 0])
    return x, {"three": y, "two": (y > 0).astype(int), "names": np.array(["a", "b", "c"])[y], "number": number}


def pipelines():
    """Name -> (steps, what is learned, the function of scikit-learn that the last float output is)."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import BaggingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, RobustScaler, StandardScaler
    from sklearn.svm import SVC, SVR, LinearSVC

    chances, decision, value = "predict_proba", "decision_function", "predict"
    hidden = {"hidden_layer_sizes": (6,), "max_iter": 50, "random_state": 0}
    return {
        "logistic": ([StandardScaler(), LogisticRegression()], "three", chances),
        "logistic of two": ([StandardScaler(), LogisticRegression()], "two", chances),
        "logistic of names": ([MinMaxScaler(), LogisticRegression()], "names", chances),
        "logistic of components": ([StandardScaler(), PCA(2), LogisticRegression()], "three", chances),
        "perceptron": ([StandardScaler(), MLPClassifier(**hidden)], "three", chances),
        "perceptron of two": ([RobustScaler(), MLPClassifier(activation="tanh", **hidden)], "two", chances),
        "perceptron of a number": ([StandardScaler(), MLPRegressor(activation="logistic", **hidden)], "number", value),
        "linear support vectors": ([StandardScaler(), LinearSVC()], "three", decision),
        **{f"support vectors {k}": ([StandardScaler(), SVC(kernel=k)], "three", decision) for k in ("rbf", "linear")},
        "support vectors poly": ([StandardScaler(), SVC(kernel="poly", coef0=1.0)], "three", decision),
        "support vectors sigmoid": ([StandardScaler(), SVC(kernel="sigmoid")], "three", decision),
        "support vectors of a number": ([StandardScaler(), SVR()], "number", value),
        **{f"{norm} norm": ([Normalizer(norm), Ridge()], "number", value) for norm in ("l1", "l2", "max")},
        "imputed": ([SimpleImputer(), LinearRegression()], "number", value),
        "polynomial": ([PolynomialFeatures(2), LinearRegression()], "number", value),
        "exponential": ([StandardScaler(), PoissonRegressor()], "number", value),
        "bayes": ([GaussianNB()], "three", chances),
        "discriminant": ([LinearDiscriminantAnalysis()], "three", chances),
        "bagged": ([BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0)], "three", chances),
    }


NAMES = (
    "logistic", "logistic of two", "logistic of names", "logistic of components", "perceptron", "perceptron of two",
    "perceptron of a number", "linear support vectors", "support vectors rbf", "support vectors linear",
    "support vectors poly", "support vectors sigmoid", "support vectors of a number", "l1 norm", "l2 norm", "max norm",
    "imputed", "polynomial", "exponential", "bayes", "discriminant", "bagged",
)  # fmt: skip


def exported(steps, x, y):
    from skl2onnx import to_onnx
    from sklearn.pipeline import make_pipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations, and the exporter's own
        made = make_pipeline(*steps).fit(x, y)
        options = {"raw_scores": True} if type(steps[-1]).__name__ == "LinearSVC" else None
        options = {id(steps[-1]): options} if options else None
        return made, to_onnx(made, x[:1], options=options, target_opset=18)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_that_of_scikit_learn(data, name):
    x, classes = data
    steps, learned, function = pipelines()[name]
    made, model = exported(steps, x, classes[learned])
    rows = x[::7].astype(np.float64)
    rows += np.random.default_rng(0).normal(0, 0.02, rows.shape)
    output = model.graph.output[-1].name
    graph = gradient_graph(model)

    def scores(rows):
        """As a column where scikit-learn gives one number; a support vector machine of two classes gives one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = getattr(made, function)(rows)
        return values if values.ndim == 2 else values[:, None]

    expected = scores(rows)
    found = run(load_graph(model).to_model(), {"X": rows.astype(np.float32)})[output]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    rng = np.random.default_rng(1)
    cotangent = rng.normal(size=expected.shape)
    given = run(graph, {"X": rows.astype(np.float32), f"grad_{output}": cotangent.astype(np.float32)})["grad_X"]
    for _ in range(3):
        way = rng.normal(size=rows.shape)
        ends = [(scores(rows + sign * 1e-5 * way) * cotangent).sum() for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / 2e-5
        assert abs((given * way).sum() - difference) <= 1e-3 * max(abs(difference), 0.05 * np.linalg.norm(given))


def test_maps_of_a_pipeline(data):
    """The probabilities that ZipMap would have made maps of are explained, and the result says so."""
    x, classes = data
    steps, learned, _ = pipelines()["logistic"]
    made, model = exported(steps, x, classes[learned])
    result = attribute(model, x[::50], target=1, method="gradient", output="output_probability")
    assert result.values.shape == (3, 4)
    assert result.prediction.tolist() == made.predict(x[::50]).tolist()


def test_forest_is_refused_with_advice(data):
    from sklearn.ensemble import RandomForestClassifier

    x, classes = data
    _, model = exported([RandomForestClassifier(3, max_depth=3, random_state=0)], x, classes["three"])
    with pytest.raises(UnsupportedOperator, match="use a black-box method"):
        gradient_graph(model)
