"""Methods that only run the model: batches, targets, fixed sizes, token ids, trees, progress, wrong options."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName, UnsupportedOperator
from onnxpath.progress import listening
from tests.attribution.black_boxes import MASKS, PAIR, TARGETS, WEIGHTS, exact, pair_feeds
from tests.attribution.shared import attribute
from tests.models import mlp, parse, relative, run, sample, sample_images

BLACK_BOXES = ["feature-ablation", "occlusion", "rise", "shapley-value-sampling"]


@pytest.mark.parametrize("method", BLACK_BOXES)
def test_a_batch_is_its_rows_and_memory_makes_no_difference(method):
    x, options = sample_images()[:3], {"n_masks": 12} if method == "rise" else {}
    if method in ("feature-ablation", "shapley-value-sampling"):
        options["feature_mask"] = MASKS["stripes"]
    whole = attribute(sample("digits_cnn"), x, method, TARGETS, **options).values
    tight = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    assert tight.rows_per_run({"image": x}) == 1
    np.testing.assert_allclose(onnxpath.attribute(tight, x, TARGETS, method, **options).values, whole, atol=1e-5)
    alone = [attribute(sample("digits_cnn"), x[i : i + 1], method, TARGETS[i], **options).values for i in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), whole, atol=1e-5)


@pytest.mark.parametrize("method", BLACK_BOXES)
def test_the_default_target_is_that_of_the_input_and_not_of_what_was_perturbed(method):
    x = sample_images()[:3]
    found = attribute(sample("digits_cnn"), x, method, **({"n_masks": 9} if method == "rise" else {}))
    again = attribute(sample("digits_cnn"), x, method, found.target, **({"n_masks": 9} if method == "rise" else {}))
    np.testing.assert_array_equal(found.values, again.values)
    cotangent = np.eye(10, dtype=np.float32)[found.target]
    seeded = attribute(sample("digits_cnn"), x, method, cotangent, **({"n_masks": 9} if method == "rise" else {}))
    np.testing.assert_allclose(seeded.values, found.values, atol=1e-5)


def test_a_fixed_batch_and_rows_that_mix():
    x = np.random.default_rng(4).normal(size=(5, 6)).astype(np.float32)
    model = mlp()
    expected = attribute(model, x, "feature-ablation", 1).values
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4
    np.testing.assert_allclose(attribute(model, x, "feature-ablation", 1).values, expected, atol=1e-6)
    mixed = parse("m (float[n, 3] x) => (float[n, 3] y) { s = CumSum(x, k); y = Mul(s, x) }", k=np.int64(0))
    found = attribute(mixed, x[:, :3], "feature-ablation", 0).values
    np.testing.assert_allclose(found[:, 0], x[:, 0] ** 2, rtol=1e-5)


def test_token_ids_are_perturbed_themselves_and_embeddings_by_rise():
    table, w = WEIGHTS.normal(size=(10, 4)).astype(np.float32), WEIGHTS.normal(size=(4, 2)).astype(np.float32)
    text = "m (int64[n, 3] ids) => (float[n, 2] y) { e = Gather(t, ids); s = ReduceSum<keepdims = 0>(e, k);"
    model = parse(f"{text} y = MatMul(s, w) }}", t=table, w=w, k=np.int64([1]))
    ids = np.int64([[1, 2, 3], [9, 9, 0]])
    found = attribute(model, ids, "feature-ablation", 1, baselines=5)
    np.testing.assert_allclose(found.values, ((table[ids] - table[5]) @ w)[..., 1], atol=1e-5)
    assert found.values.dtype == np.float32 and list(found.maps) == ["ids"]
    assert attribute(model, ids, "rise", 1, n_masks=4, cells=3).values.shape == (2, 3, 1)
    with pytest.raises(InputError, match="give whole numbers"):
        attribute(model, ids, "feature-ablation", baselines=0.5)


@pytest.mark.parametrize("method", ["feature-ablation", "occlusion", "shapley-value-sampling"])
def test_any_float_tensor_may_be_perturbed(method):
    """From the activations on, the network is one of its own."""
    model, x = mlp(), np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)
    found = onnxpath.attribute(onnxpath.load(model, providers="cpu"), x, 1, method, wrt=["a0"])
    hidden = run(onnxpath.expose(model, ["a0"]), {"x": x}, outputs=["a0"])["a0"]
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    text = "m (float[n, 8] a0) => (float[n, 3] y) { z1 = Gemm(a0, W1, b1); a1 = Relu(z1); y = Gemm(a1, W2, b2) }"
    rest = parse(text, **{name: value for name, value in arrays.items() if not name.endswith("0")})
    expected = attribute(rest, hidden, method, 1)
    assert list(found.maps) == ["a0"] and relative(found.values, expected.values) < 1e-5


def forest(kind, labels):
    import skl2onnx
    import sklearn.ensemble
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    model = getattr(sklearn.ensemble, kind)(n_estimators=8, random_state=0).fit(
        x, np.array(["a", "b", "c"])[y] if labels else y
    )
    return model, skl2onnx.to_onnx(model, x[:1].astype(np.float32), target_opset={"": 21, "ai.onnx.ml": 3}), x


@pytest.mark.needs("sklearn", "skl2onnx")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "labels"),
    [("RandomForestClassifier", True), ("ExtraTreesClassifier", False), ("RandomForestRegressor", False)],
)
def test_tree_ensembles_are_explained_though_nothing_has_a_gradient(kind, labels):
    forest_, model, data = forest(kind, labels)
    rows, start = data[[0, 60, 120]].astype(np.float32), data.mean(0).astype(np.float32)
    loaded = onnxpath.load(model, providers="cpu")
    with pytest.raises(UnsupportedOperator, match="feature-ablation or shapley-value-sampling"):
        onnxpath.attribute(loaded, rows, method="gradient")

    def score(row, target):
        point = np.asarray(row, np.float32)[None]
        return (
            forest_.predict_proba(point)[0, target] if hasattr(forest_, "predict_proba") else forest_.predict(point)[0]
        )

    found = onnxpath.attribute(loaded, rows, method="feature-ablation", baselines=start)
    for row, x in enumerate(rows):
        target = found.target[row]
        for i in range(4):
            without = x.copy()
            without[i] = start[i]
            assert found.values[row, i] == pytest.approx(score(x, target) - score(without, target), abs=1e-5)
    # Rows go together: a batch in one run.
    assert loaded.rows_per_run({"X": rows}) > 1
    shapley = onnxpath.attribute(loaded, rows, method="shapley-value-sampling", baselines=start, n_samples=400)
    for row, x in enumerate(rows):
        expected = exact(lambda p, t=shapley.target[row]: score(p, t), x, start)
        # Four standard errors of a mean of 400 changes of a probability, or a class number, by at most 0.5.
        np.testing.assert_allclose(shapley.values[row], expected, atol=4 * 0.25 / 20)


def test_progress_is_told():
    told = []
    with listening(lambda what, done, total: told.append((what, done, total))):
        tight = onnxpath.load(mlp(), providers="cpu", memory=1)
        onnxpath.attribute(tight, np.ones((2, 6), np.float32), 1, "feature-ablation")
    assert told == [("feature-ablation", i + 1, 12) for i in range(12)]


WRONG = {
    "windows": (
        {"sliding_window_shapes": (1, 20, 3), "method": "occlusion"},
        r"a window of \(1, 20, 3\) does not fit into input 'image', whose rows are \(1, 16, 16\)",
    ),
    "axes": ({"sliding_window_shapes": (4, 4), "method": "occlusion"}, "rows of 3 axes"),
    "strides": (
        {"sliding_window_shapes": (1, 4, 4), "strides": (1, 5, 4), "method": "occlusion"},
        "leave places that no window",
    ),
    "samples": ({"n_samples": 0, "method": "shapley-value-sampling"}, "n_samples must be at least 1"),
    "a mask of floats": ({"feature_mask": np.ones((1, 1, 16, 16)), "method": "feature-ablation"}, "whole numbers"),
    "a mask's shape": ({"feature_mask": np.ones((3, 3), int), "method": "feature-ablation"}, "does not fit input"),
    "a baseline's shape": ({"baselines": np.ones((3, 3)), "method": "feature-ablation"}, "does not fit input"),
    "a baseline of NaN": ({"baselines": np.nan, "method": "occlusion"}, "NaN or Inf"),
    "p": ({"p": 1.5, "method": "rise"}, "p between 0 and 1"),
    "cells": ({"cells": (2, 3, 4), "method": "rise"}, "3 numbers of cells were given for 2 masked axes"),
    "channels": ({"channel_axis": 7, "method": "rise"}, "channel_axis 7 is no axis"),
}


@pytest.mark.parametrize(("options", "complaint"), WRONG.values(), ids=WRONG)
def test_wrong_options(options, complaint):
    with pytest.raises(InputError, match=complaint):
        attribute(sample("digits_cnn"), sample_images()[:1], **options)


def test_wrong_names_and_a_model_that_answers_nan():
    with pytest.raises(UnknownName, match="no perturbed input named 'B'\nknown: a, b, c"):
        attribute(PAIR, pair_feeds(), "feature-ablation", baselines={"B": 1})
    with pytest.raises(InputError, match="2 values were given for 3 inputs"):
        attribute(PAIR, pair_feeds(), "feature-ablation", baselines=(1, 2))
    model = parse("m (float[n, 2] x) => (float[n, 2] y) { y = Log(x) }")
    with pytest.raises(InputError, match="a perturbed input with NaN or Inf"):
        attribute(model, np.ones((1, 2), np.float32), "feature-ablation")
    with pytest.raises(ModelError, match="nothing to perturb"):
        attribute(
            parse("m (bool[n, 2] x) => (float[n, 2] y) { y = Cast<to = 1>(x) }"), np.ones((1, 2), bool), "occlusion"
        )
