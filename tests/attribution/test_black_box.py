"""Methods that only run the model: against Captum, exact enumeration and slow plain versions."""

from itertools import permutations

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName, UnsupportedOperator
from onnxpath.progress import listening
from tests.models import mlp, parse, relative, run, sample, sample_images
from tests.parity import record

TARGETS = [3, 0, 9]
WEIGHTS = np.random.default_rng(3)
BLACK_BOXES = ["feature-ablation", "occlusion", "rise", "shapley-value-sampling"]


def attribute(model, x, method, target=None, **options):
    return onnxpath.attribute(onnxpath.load(model, providers="cpu"), x, target, method, **options)


def network(name):
    from tests.pathway.torch_oracle import network

    return network(name)


BASELINES = {"zero": 0, "a number": 0.25, "a row": np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16)}
captum = pytest.mark.needs("torch", "captum")


def tensor(value):
    import torch

    return torch.tensor(value) if isinstance(value, np.ndarray) else value


@captum
@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES)
@pytest.mark.parametrize(
    ("window", "strides"), [((1, 4, 4), 4), ((1, 5, 4), (1, 3, 2)), ((1, 16, 3), (1, 1, 3)), ((1, 7, 7), (1, 7, 7))]
)
def test_occlusion_is_captum_s(window, strides, baseline):
    from captum.attr import Occlusion

    x = sample_images()[:3]
    strides = (1, 4, 4) if strides == 4 else strides
    expected = Occlusion(network("digits_cnn")).attribute(tensor(x), window, strides, tensor(baseline), TARGETS)
    found = attribute(
        sample("digits_cnn"), x, "occlusion", TARGETS, sliding_window_shapes=window, strides=strides, baselines=baseline
    )
    near = relative(found.values, expected.numpy())
    assert record("occlusion", "Captum Occlusion", "digits_cnn", "float32", near) < 1e-5
    assert found.values.dtype == np.float32 and found.values.shape == x.shape


@captum
def test_the_default_stride_of_a_given_window_is_captum_s():
    from captum.attr import Occlusion

    x = sample_images()[:1]
    expected = Occlusion(network("digits_cnn")).attribute(tensor(x), (1, 14, 15), target=3).numpy()
    found = attribute(sample("digits_cnn"), x, "occlusion", 3, sliding_window_shapes=(1, 14, 15))
    assert relative(found.values, expected) < 1e-5


MASKS = {
    "stripes": (np.arange(256) // 32).reshape(1, 1, 16, 16),
    "numbers with gaps": (np.arange(256) // 64 * 7 + 3).reshape(1, 1, 16, 16),
    "one for each row": np.random.default_rng(2).integers(0, 9, (3, 1, 16, 16)),
    "a single feature": np.zeros((1, 1, 1, 1), int),
}


@captum
@pytest.mark.parametrize("mask", [None, *MASKS.values()], ids=["every value", *MASKS])
@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
def test_feature_ablation_is_captum_s(name, mask):
    from captum.attr import FeatureAblation

    x = sample_images()[:3]
    if mask is None:
        x, mask_of_rows = x[:, :, 4:10, 4:12], None
        x = np.pad(x, ((0, 0), (0, 0), (4, 6), (4, 4)))
    else:
        mask_of_rows = tensor(np.broadcast_to(mask, x.shape).copy())
    expected = FeatureAblation(network(name)).attribute(
        tensor(x), 0.5, TARGETS, feature_mask=mask_of_rows, perturbations_per_eval=8 if mask is None else 1
    )
    found = attribute(sample(name), x, "feature-ablation", TARGETS, baselines=0.5, feature_mask=mask)
    near = relative(found.values, expected.numpy())
    assert record("feature-ablation", "Captum FeatureAblation", name, "float32", near) < 1e-4


@captum
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_shapley_value_sampling_is_captum_s_in_the_same_orders(mask):
    from captum.attr import ShapleyValueSampling

    x, seed, samples = sample_images()[:3], 5, 4
    found = attribute(
        sample("digits_cnn"), x, "shapley-value-sampling", TARGETS, feature_mask=mask, n_samples=samples, seed=seed
    )
    known, numbered = np.unique(mask, return_inverse=True)
    numbered = numbered.reshape(mask.shape)
    rng = np.random.default_rng(seed)
    oracle = ShapleyValueSampling(network("digits_cnn"))
    oracle.permutation_generator = lambda count, n: [rng.permutation(count).tolist() for _ in range(n)]
    expected = oracle.attribute(
        tensor(x), target=TARGETS, feature_mask=tensor(np.broadcast_to(numbered, x.shape).copy()), n_samples=samples
    )
    near = relative(found.values, expected.numpy())
    oracle_name = "Captum ShapleyValueSampling, same orders"
    assert record("shapley-value-sampling", oracle_name, "digits_cnn", "float32", near) < 1e-5
    assert found.notes == [f"{3 + 3 + 3 * samples * (len(known) - 1):,} evaluations of a row"]


def exact(score, x, start):
    """Shapley values of a row by all orders of its values."""
    values, orders = np.zeros(len(x)), list(permutations(range(len(x))))
    for order in orders:
        point, before = start.copy(), score(start)
        for i in order:
            point[i] = x[i]
            now = score(point)
            values[i] += now - before
            before = now
    return values / len(orders)


def test_shapley_value_sampling_nears_the_exact_values():
    """The error of the mean of n orders falls as 1 / sqrt(n): of 2000 below 4 % here."""
    model, rng = mlp(), np.random.default_rng(1)
    x, start = rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    found = attribute(model, x, "shapley-value-sampling", 1, baselines=start, n_samples=2000)
    rows = {}

    def score(row):
        key = row.tobytes()
        if key not in rows:
            rows[key] = float(run(model, {"x": row[None]})["y"][0, 1])
        return rows[key]

    for row in range(2):
        expected = exact(score, x[row], start)
        assert relative(found.values[row], expected) < 0.04
        np.testing.assert_allclose(found.values[row].sum(), score(x[row]) - score(start), rtol=1e-4)


def test_shapley_values_of_an_additive_model_are_exact():
    w = WEIGHTS.normal(size=(5, 2)).astype(np.float32)
    model = parse("m (float[n, 5] x) => (float[n, 2] y) { s = Mul(x, x); y = MatMul(s, w) }", w=w)
    x = WEIGHTS.normal(size=(3, 5)).astype(np.float32)
    found = attribute(model, x, "shapley-value-sampling", 1, baselines=0.5, n_samples=1)
    np.testing.assert_allclose(found.values, (x**2 - 0.25) * w[:, 1], atol=1e-5)


PAIR = parse(
    """m (float[n, 2, 3] a, float[n, 4] b, int64[n, 1] c) => (float[n, 3] y) {
      f = Flatten(a); d = Cast<to = 1>(c); j = Concat<axis = 1>(f, b, d);
      h = MatMul(j, v); r = Relu(h); y = MatMul(r, w) }
    """,
    v=WEIGHTS.normal(size=(11, 6)).astype(np.float32),
    w=WEIGHTS.normal(size=(6, 3)).astype(np.float32),
)


def of_pair(a, b, c):
    import torch
    from onnx import numpy_helper

    v, w = (torch.tensor(numpy_helper.to_array(t)) for t in PAIR.graph.initializer)
    return torch.relu(torch.cat([a.flatten(1), b, c.float()], 1) @ v) @ w


def pair_feeds(rows=4):
    rng = np.random.default_rng(8)
    return {
        "a": rng.normal(size=(rows, 2, 3)).astype(np.float32),
        "b": rng.normal(size=(rows, 4)).astype(np.float32),
        "c": rng.integers(-3, 4, (rows, 1)),
    }


@captum
def test_several_inputs_of_several_ranks_and_dtypes():
    from captum.attr import FeatureAblation, Occlusion, ShapleyValueSampling

    feeds = pair_feeds()
    x = tuple(map(tensor, feeds.values()))
    baselines, masks = (0.5, np.linspace(-1, 1, 4, dtype=np.float32)[None], 2), (np.int64([[[0], [1]]]), 1, 2)
    torch_baselines = tuple(map(tensor, baselines))
    wide = tuple(tensor(np.broadcast_to(m, v.shape).copy()) for m, v in zip(masks, feeds.values(), strict=True))

    def check(method, expected, **options):
        found = attribute(PAIR, feeds, method, 2, **options).values
        for name, one in zip(feeds, expected, strict=True):
            assert relative(found[name], one.numpy()) < 1e-5, name

    ablation = FeatureAblation(of_pair).attribute
    check(
        "feature-ablation", ablation(x, torch_baselines, 2, feature_mask=wide), baselines=baselines, feature_mask=masks
    )
    check("feature-ablation", ablation(x, torch_baselines, 2), baselines=dict(zip(feeds, baselines, strict=True)))
    windows, strides = ((1, 2), (3,), (1,)), ((1, 1), 2, 1)
    occlusion = Occlusion(of_pair).attribute(x, windows, strides, torch_baselines, 2)
    check("occlusion", occlusion, sliding_window_shapes=windows, strides=strides, baselines=baselines)
    rng, oracle = np.random.default_rng(0), ShapleyValueSampling(of_pair)
    oracle.permutation_generator = lambda count, n: [rng.permutation(count).tolist() for _ in range(n)]
    shapley = oracle.attribute(x, torch_baselines, 2, n_samples=3)
    check("shapley-value-sampling", shapley, baselines=baselines, n_samples=3)


def slow_rise(model, x, target, n_masks, cells, p, seed, centred):
    """The authors' code, row by row: grids enlarged by scikit-image, shifted, cut; scores times masks."""
    from skimage.transform import resize

    rows, _, height, width = x.shape
    rng = np.random.default_rng(seed)
    grids = rng.random((n_masks, cells, cells)) < p
    edges = -(-height // cells), -(-width // cells)
    shifts = rng.integers(0, edges, (n_masks, 2))
    large = tuple((cells + 1) * edge for edge in edges)
    masks, scores = [], []
    for grid, (down, right) in zip(grids, shifts, strict=True):
        mask = resize(grid.astype(float), large, order=1, mode="reflect", anti_aliasing=False)
        masks.append(mask[down : down + height, right : right + width])
        feeds = [{"image": (x[row : row + 1] * masks[-1]).astype(np.float32)} for row in range(rows)]
        scores.append([run(model, feeds[row])["logits"][0, target[row]] for row in range(rows)])
    weights = np.array(scores) - (np.mean(scores, 0) if centred else 0)
    return np.einsum("nr,nhw->rhw", weights, np.array(masks))[:, None] / (n_masks * p)


@pytest.mark.needs("skimage")
@pytest.mark.parametrize(("cells", "p", "centred"), [(4, 0.5, False), (7, 0.3, True), (1, 0.5, False)])
def test_rise_is_the_slow_plain_version(cells, p, centred):
    x = sample_images()[:2]
    found = attribute(sample("digits_cnn"), x, "rise", [3, 0], n_masks=20, cells=cells, p=p, seed=9, centred=centred)
    near = relative(found.values, slow_rise(sample("digits_cnn"), x, [3, 0], 20, cells, p, 9, centred))
    assert record("rise", "plain numpy and scikit-image, same masks", "digits_cnn", "float32", near) < 1e-5


def test_rise_masks_vectors_sequences_and_channels_last():
    model = mlp()
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    found = attribute(model, x, "rise", 1, n_masks=400, cells=6, centred=False)
    rng = np.random.default_rng(0)
    masks = (rng.random((400, 6)) < 0.5).astype(np.float64)
    assert not rng.integers(0, [1], (400, 1)).any()
    # Cells of one value are enlarged from 6 to 7 places, and cut to the first 6.
    blend = np.array([[max(0, 1 - abs(abs((i + 0.5) * 6 / 7 - 0.5) - j)) for j in range(6)] for i in range(6)])
    soft = masks @ blend.T
    y = np.stack([run(model, {"x": (x[r] * soft).astype(np.float32)})["y"][:, 1] for r in range(2)])
    assert relative(found.values, y @ soft / 200) < 1e-5
    assert "masked: 'x' along axes [1]" in found.notes
    last = parse(
        "m (float[n, 8, 9, 3] x) => (float[n, 3] y) { y = ReduceMean<keepdims = 0>(x, k) }", k=np.int64([1, 2])
    )
    z = np.ones((1, 8, 9, 3), np.float32)
    for options, axes, shape in [({}, [1, 2], (1, 8, 9, 1)), ({"channel_axis": 1}, [2, 3], (1, 1, 9, 3))]:
        found = attribute(last, z, "rise", 0, n_masks=2, **options)
        assert f"masked: 'x' along axes {axes}" in found.notes and found.values.shape == shape


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
