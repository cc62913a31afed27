"""The spellings of ai.onnx.ml operators: against the kernels of ONNX Runtime, and finite differences of those."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxpath import gradient_graph
from onnxpath.errors import ShapeError, UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from tests.graph.kernels import Kernel, check_forward, check_gradient
from tests.models import run

rng = np.random.default_rng(0)


def r(*shape):
    return rng.normal(size=shape).astype(np.float32)


X = r(6, 4)
INTS = rng.integers(0, 4, (5, 4))
LABELS = {"classlabels_ints": [4, 5, 6]}
PAIR = {"classlabels_ints": [3, 5]}
STRINGS = {"classlabels_strings": ["a", "b"]}


def ml(operator, x=X, outputs=("y",), name="", atol=1e-5, **attributes):
    inputs = x if isinstance(x, dict) else {"x": x}
    shown = f"{operator} {name}"
    return Kernel(operator, inputs, attributes, outputs, domain="ai.onnx.ml", atol=atol, name=shown)


def linear(classes, transform, labels, operator="LinearClassifier", scale=1.0):
    weights = {"coefficients": (scale * r(classes, 4)).ravel().tolist(), "intercepts": [0.4, 0.5, 0.6][:classes]}
    weights["post_transform"] = transform
    if operator == "LinearRegressor":
        return ml(operator, name=f"{classes} {transform}", targets=classes, **weights)
    return ml(operator, outputs=("label", "y"), name=f"{classes} {transform} {labels}", **weights, **labels)


VECTORS = r(4, 3)
PARAMETERS = {"kernel_params": [0.5, 0.1, 3.0]}


def svm(counts, kernel, transform="NONE", chances=False, labels=None, rho=(0.2, 0.1, -0.3)):
    pairs = len(counts) * (len(counts) - 1) // 2
    attributes = {"coefficients": r(4 * (len(counts) - 1)).tolist(), "support_vectors": VECTORS.ravel().tolist()}
    attributes |= {"vectors_per_class": counts, "rho": list(rho)[:pairs], "kernel_type": kernel, **PARAMETERS}
    attributes |= {"post_transform": transform, **(labels or (PAIR if pairs == 1 else LABELS))}
    if chances:
        attributes |= {"prob_a": [-1.0, -2.0, -0.5][:pairs], "prob_b": [0.4, 0.2, -0.3][:pairs]}
    name = f"{counts} {kernel} {transform} {'chances' if chances else ''}"
    return ml("SVMClassifier", r(20, 3), ("label", "y"), name, **attributes)


def regressor(kernel, **further):
    attributes = {"coefficients": [0.5, -0.3, 0.1, 0.2], "support_vectors": VECTORS.ravel().tolist(), "n_supports": 4}
    return ml(
        "SVMRegressor", r(5, 3), name=kernel, rho=[0.2], kernel_type=kernel, **attributes, **PARAMETERS, **further
    )


def plain(weights, rho=-0.3, **labels):
    """The linear classifier without support vectors."""
    x = r(20, 3)
    return ml(
        "SVMClassifier", x, ("label", "y"), coefficients=weights.ravel().tolist(), rho=[rho], **labels, **PARAMETERS
    )


KERNELS = ("LINEAR", "RBF", "POLY", "SIGMOID")
SMOOTH = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO")

CASES = [
    ml("Scaler", offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2.0, 3.0, 4.0]),
    ml("Scaler", offset=[0.1], scale=[2.0]),
    *(ml("Normalizer", norm=norm, name=norm) for norm in ("MAX", "L1", "L2")),
    *(ml("Normalizer", X[0], norm=norm, name=f"{norm} of one axis") for norm in ("MAX", "L1", "L2")),
    ml("Imputer", X + 10, imputed_value_floats=[1.5], replaced_value_float=7.0),
    ml("Binarizer", np.float32([[-1, 0, 1, 3]]), threshold=0.2),
    ml("FeatureVectorizer", {"a": X, "b": r(6, 2)}, inputdimensions=[4, 2]),
    ml("ArrayFeatureExtractor", {"x": X, "places": np.array([[2, 0]])}),
    ml("ArrayFeatureExtractor", {"x": X[0], "places": np.array([2, 0])}, name="of one axis"),
    ml("ArrayFeatureExtractor", {"x": r(2, 3, 4), "places": np.array([2, 0])}, name="of three axes"),
    *(linear(count, transform, None, "LinearRegressor") for count in (1, 3) for transform in SMOOTH),
    *(linear(3, transform, LABELS) for transform in SMOOTH),
    *(linear(1, transform, labels) for transform in SMOOTH for labels in (PAIR, STRINGS)),
    linear(3, "PROBIT", LABELS, scale=0.02),
    linear(2, "LOGISTIC", STRINGS),
    *(regressor(kernel) for kernel in KERNELS),
    ml("SVMRegressor", r(5, 3), coefficients=[0.5, 0.3, 0.1], rho=[0.02], **PARAMETERS),
    *(svm(counts, kernel) for counts in ([1, 3], [1, 2, 1]) for kernel in KERNELS),
    *(svm(counts, "LINEAR", transform) for counts in ([1, 3], [1, 2, 1]) for transform in SMOOTH[1:]),
    svm([1, 3], "RBF", labels=STRINGS),
    plain(r(3, 3), **LABELS),
    plain(r(2, 3), **PAIR),
    plain(np.abs(r(2, 3)), **PAIR),
]

FORWARD_ONLY = [
    ml("Scaler", INTS, offset=[0.1], scale=[2.0], name="of integers"),
    ml("Scaler", X.astype(np.float64), offset=[0.1], scale=[2.0], name="of doubles"),
    *(ml("Normalizer", np.concatenate([0 * X[:1], -np.abs(X)]), norm=norm, name=norm) for norm in ("MAX", "L1", "L2")),
    ml("Imputer", np.float32([[1, np.nan, 3, np.nan]]), imputed_value_floats=[1.0, 2.0, 3.0, 4.0],
       replaced_value_float=float("nan"), name="of NaN"),
    ml("Imputer", INTS, imputed_value_int64s=[7], replaced_value_int64=1, name="of integers"),
    ml("FeatureVectorizer", {"a": INTS, "b": INTS[:, :2]}, inputdimensions=[4, 2], name="of integers"),
    ml("OneHotEncoder", INTS, cats_int64s=[0, 1, 2]),
    ml("OneHotEncoder", INTS.astype(np.float32), cats_int64s=[0, 1, 2], name="of floats"),
    ml("OneHotEncoder", np.array([["a"], ["b"]], object), cats_strings=["a", "c"], name="of strings"),
    regressor("LINEAR", one_class=1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES + FORWARD_ONLY, ids=str)
def test_forward_equals_the_kernel(case):
    check_forward(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_equals_finite_differences_of_the_kernel(case):
    check_gradient(case)


# ONNX Runtime approaches these probabilities in steps, and stops within 0.005 / classes.
CHANCES = [svm(counts, kernel, chances=True) for counts in ([2, 2], [1, 2, 1]) for kernel in KERNELS]


@pytest.mark.parametrize("case", CHANCES, ids=str)
def test_probabilities_of_support_vector_machines(case):
    graph = load_graph(case.model())
    assert any("exact solution of their equations" in note for note in graph.notes)
    found, expected = run(graph.to_model(), case.feeds), run(case.model(), case.feeds)
    np.testing.assert_allclose(found["y"], expected["y"], atol=5e-3)
    np.testing.assert_allclose(found["y"].sum(1), 1, rtol=1e-5)
    assert (found["label"] == expected["label"]).all()
    # Its steps make the kernel's differences rough: the expansion's own are compared.
    case.kernel = False
    check_gradient(case)


def test_coupled_probabilities_minimise_what_they_should():
    """At the minimum of Σ (r_ji p_i - r_ij p_j)² under Σ p = 1 the gradient is the same for every class."""
    case = svm([1, 2, 1], "RBF", chances=True)
    p = run(load_graph(case.model()).to_model(), case.feeds)["y"].astype(np.float64)
    attributes = {k: v for k, v in case.attributes.items() if not k.startswith("prob")}
    raw = ml("SVMClassifier", case.inputs, ("label", "y"), **attributes)
    scores = run(raw.model(), case.feeds)["y"].astype(np.float64)
    r_first = 1 / (1 + np.exp(scores * case.attributes["prob_a"] + case.attributes["prob_b"]))
    slope = np.zeros_like(p)
    for pair, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        gap = (1 - r_first[:, pair]) * p[:, i] - r_first[:, pair] * p[:, j]
        slope[:, i] += (1 - r_first[:, pair]) * gap
        slope[:, j] -= r_first[:, pair] * gap
    np.testing.assert_allclose(slope, slope[:, :1].repeat(3, 1), atol=1e-6)


def test_binarizer_has_a_gradient_of_zero():
    case = ml("Binarizer", threshold=0.2)
    graph = gradient_graph(case.model())
    found = run(graph, {"x": X, "grad_y": np.ones_like(X)})
    assert not found["grad_x"].any()


def test_zipmap_at_the_end_is_dropped_and_said():
    scores = helper.make_node("Softmax", ["x"], ["p"])
    maps = helper.make_node("ZipMap", ["p"], ["maps"], "zip", domain="ai.onnx.ml", classlabels_int64s=[3, 4, 5])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    graph = helper.make_graph([scores, maps], "zip", [x], [helper.make_value_info("maps", kind)])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    loaded = load_graph(model)
    assert "ZipMap was dropped: the scores of 'p' are a tensor [N, classes], not maps" in loaded.notes
    onnx.checker.check_model(loaded.to_model(), full_check=True)
    x = r(2, 3)
    found = run(gradient_graph(model), {"x": x, "grad_maps": np.eye(3, dtype=np.float32)[:2]})
    np.testing.assert_allclose([list(row.values()) for row in run(model, {"x": x})["maps"]], found["maps"], rtol=1e-6)
    p = found["maps"].astype(np.float64)
    expected = [p[i] * ((np.arange(3) == i) - p[i, i]) for i in range(2)]
    np.testing.assert_allclose(found["grad_x"], expected, atol=1e-6)


def test_label_encoder_is_left_alone():
    """Labels have no gradient: the node stays, and the scores beside it are explained."""
    double = helper.make_node("Mul", ["x", "x"], ["y"])
    place = helper.make_node("ArgMax", ["y"], ["i"], axis=1, keepdims=0)
    encode = helper.make_node(
        "LabelEncoder", ["i"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1, 2], values_strings=["a", "b", "c"]
    )
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    label = helper.make_tensor_value_info("label", TensorProto.STRING, ["n"])
    graph = helper.make_graph([double, place, encode], "labels", [x], [label, y])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    x = np.float32([[1, 3, 2]])
    found = run(gradient_graph(model), {"x": x, "grad_y": np.ones((1, 3), np.float32)})
    assert found["label"].tolist() == ["b"]
    np.testing.assert_allclose(found["grad_x"], 2 * x)


def test_tree_ensembles_load_and_their_gradient_is_refused():
    tree = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], "forest", domain="ai.onnx.ml", n_targets=1, nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0], nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[1.0, 2.0],
    )  # fmt: skip
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", d]) for name, d in (("x", 3), ("y", 1)))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph([tree], "t", [x], [y]), opset_imports=imports, ir_version=8)
    assert run(load_graph(model).to_model(), {"x": np.float32([[0, 0, 0], [1, 0, 0]])})["y"].tolist() == [[1], [2]]
    with pytest.raises(UnsupportedOperator, match=r"(?s)TreeEnsembleRegressor .*'forest'.*use a black-box method"):
        gradient_graph(model)


@pytest.mark.parametrize(
    ("case", "error", "text"),
    [
        (linear(1, "PROBIT", PAIR), UnsupportedOperator, "one score and PROBIT"),
        (svm([1, 3], "RBF", "PROBIT"), UnsupportedOperator, "one score and PROBIT"),
        (ml("FeatureVectorizer", {"a": X}, inputdimensions=[5]), ShapeError, "takes 5 features of 'a', which has 4"),
    ],
    ids=str,
)
def test_what_is_not_spelled_out_is_refused(case, error, text):
    with pytest.raises(error, match=text):
        load_graph(case.model())
