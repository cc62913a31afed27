"""Targets in every form, and the logits before a Softmax."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName
from onnxpath.runtime.targets import resolve_target
from tests.models import mlp, parse, relative

RNG = np.random.default_rng(7)
X = RNG.normal(size=(4, 6)).astype(np.float32)
W = RNG.normal(size=(6, 6)).astype(np.float32)
CUBE = "m (float[n, 6] x) => (float[n, 2, 3] y) { m = MatMul(x, W); t = Tanh(m); y = Reshape(t, s) }"
SHAPE = {"s": np.int64([-1, 2, 3])}


def load(model):
    return onnxpath.load(model, providers="cpu")


def cube():
    return load(parse(CUBE, W=W, **SHAPE))


def by_hand(seed):
    """Gradient of <seed, y> of CUBE, seed [4, 6]."""
    return (seed * (1 - np.tanh(X @ W) ** 2)) @ W.T


def one_hot(indices):
    return np.eye(6, dtype=np.float32)[np.asarray(indices)]


def gradient(model, target, **options):
    return onnxpath.attribute(model, X, target=target, method="gradient", **options)


FORMS = {
    "an index": (4, [4, 4, 4, 4]),
    "zero": (0, [0, 0, 0, 0]),
    "a numpy integer": (np.int32(5), [5, 5, 5, 5]),
    "an array without axes": (np.array(2), [2, 2, 2, 2]),
    "a list": ([0, 5, 1, 2], [0, 5, 1, 2]),
    "a list of numpy integers": ([np.int64(3), np.uint8(1), np.int16(0), np.int64(2)], [3, 1, 0, 2]),
    "an array": (np.array([3, 1, 0, 2], np.uint16), [3, 1, 0, 2]),
    "a tuple": ((1, 2), [5, 5, 5, 5]),
    "a tuple of numpy integers": ((np.int64(1), np.int64(0)), [3, 3, 3, 3]),
    "a list of tuples": ([(0, 0), (1, 1), (0, 2), (1, 0)], [0, 4, 2, 3]),
}


@pytest.mark.parametrize(("target", "indices"), FORMS.values(), ids=FORMS.keys())
def test_forms_of_targets(target, indices):
    found = gradient(cube(), target)
    assert found.target.tolist() == indices
    assert relative(found.values, by_hand(one_hot(indices))) <= 1e-5


def test_the_default_is_the_largest_entry_of_each_row():
    found = gradient(cube(), None)
    best = np.tanh(X @ W).argmax(1)
    np.testing.assert_array_equal(found.target, best)
    np.testing.assert_array_equal(found.prediction, best)
    assert relative(found.values, by_hand(one_hot(best))) <= 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_cotangent_is_any_scalar_of_the_output(dtype):
    seed = RNG.normal(size=(4, 2, 3)).astype(dtype)
    found = gradient(cube(), seed)
    assert found.target.tolist() == [-1] * 4
    assert relative(found.values, by_hand(seed.astype(np.float64).reshape(4, 6))) <= 1e-5
    np.testing.assert_array_equal(found.prediction, np.tanh(X @ W).argmax(1))
    pathways = onnxpath.critical_pathway(load(mlp()), X, target=np.ones((4, 3), dtype))
    total = [p.original.logit for p in pathways]
    assert relative(total, gradient(load(mlp()), None).logits.sum(1)) <= 1e-5
    assert all(p.target == -1 and p.original.softmax is None and p.margin is None for p in pathways)


WRONG = {
    "too large": (6, r"target 6 is out of range: 'y' has entries 0 to 5 in a row"),
    "negative": (-1, r"target -1 is out of range"),
    "one of a list": ([0, 1, 9, 2], r"target 9 is out of range"),
    "too few rows": ([0, 1], r"4 rows need one target each"),
    "too many rows": ([0] * 5, r"4 rows need one target each"),
    "no rows": ([], r"4 rows need one target each|an index"),
    "a tuple too long": ((0, 1, 2), r"'y' needs 4 tuples of 2 indices each"),
    "a tuple out of range": ((2, 0), r"out of range: 'y' has sizes \[2, 3\]"),
    "a negative tuple": ((0, -1), r"out of range"),
    "too few tuples": ([(0, 1)] * 3, r"'y' needs 4 tuples"),
    "a fraction": (1.5, r"a target is an index or one index per row, not 1\.5"),
    "a list of fractions": ([0.0, 1.0, 2.0, 3.0], r"a target is an index"),
    "a word": ("cat", r"a target is an index"),
    "a truth": (True, r"a target is an index"),
    "a cotangent of another shape": (
        np.ones((4, 3, 2)),
        r"needs the shape of 'y', 4×2×3, and floats of shape \(4, 3, 2\)",
    ),
    "a cotangent without rows": (np.ones((2, 3)), r"a cotangent needs the shape of 'y'"),
    "a cotangent with NaN": (np.full((4, 2, 3), np.nan), r"cotangent.*NaN or Inf"),
    "mixed": ([(0, 1), 2, 3, 4], r"."),
}


@pytest.mark.parametrize(("target", "text"), WRONG.values(), ids=WRONG.keys())
def test_targets_that_do_not_fit(target, text):
    with pytest.raises(InputError, match=text):
        resolve_target(cube(), target, 4)


def test_targets_of_an_output_without_an_axis_of_classes():
    model = load(parse("m (float[n, 6] x) => (float[n] y) { y = ReduceSum<keepdims = 0>(x, a) }", a=np.int64([1])))
    for target in (None, 0, [0, 0, 0, 0]):
        found = gradient(model, target)
        np.testing.assert_array_equal(found.values, np.ones((4, 6)))
    with pytest.raises(InputError, match="target 1 is out of range"):
        gradient(model, 1)


# --------------------------------------------------------------------------------------------------------- readouts


@pytest.mark.parametrize("tail", ["y = Softmax(m)", "y = LogSoftmax(m)", "s = Softmax(m); y = Identity(s)"])
def test_a_softmax_at_the_end_is_skipped_and_said(tail):
    model = load(parse(f"m (float[n, 6] x) => (float[n, 6] y) {{ m = MatMul(x, W); {tail} }}", W=W))
    found = gradient(model, 3)
    assert relative(found.values, np.broadcast_to(W[:, 3], (4, 6))) <= 1e-6
    assert relative(found.logits, X @ W) <= 1e-6
    kind = "LogSoftmax" if "Log" in tail else "Softmax"
    assert model.readout().skipped == kind
    assert found.notes == [f"{kind} at the end of the model was skipped: targets are logits"]
    assert gradient(load(mlp()), 0).notes == []


def test_a_softmax_inside_is_not_skipped():
    model = load(parse("m (float[n, 6] x) => (float[n, 6] y) { s = Softmax(x); y = MatMul(s, W) }", W=W))
    assert model.readout().skipped is None
    p = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    expected = p * (W[:, 2] - p @ W[:, [2]])
    assert relative(gradient(model, 2).values, expected) <= 1e-5


def test_a_softmax_over_another_axis_is_not_skipped():
    text = "m (float[n, 6] x) => (float[n, 6] y) { y = Softmax<axis = 0>(x) }"
    assert load(parse(text)).readout().skipped is None


def test_one_of_several_outputs():
    nodes = "y = MatMul(x, W); z = Tanh(y); best = ArgMax<axis = 1, keepdims = 0>(y)"
    model = load(parse(f"m (float[n, 6] x) => (int64[n] best, float[n, 6] y, float[n, 6] z) {{ {nodes} }}", W=W))
    assert relative(gradient(model, 1).values, np.broadcast_to(W[:, 1], (4, 6))) <= 1e-6
    expected = by_hand(one_hot([1] * 4))
    assert relative(gradient(model, 1, output="z").values, expected) <= 1e-5
    with pytest.raises(UnknownName, match=r"no float output named 'best'(.|\n)*known: y, z"):
        gradient(model, 1, output="best")


def test_a_scalar_output_belongs_to_no_row():
    nodes = "z = MatMul(x, W); loss = ReduceSum<keepdims = 0>(z)"
    model = load(parse(f"m (float[n, 6] x) => (float loss, float[n, 6] z) {{ {nodes} }}", W=W))
    assert model.readout().name == "z"
    alone = load(parse(f"m (float[n, 6] x) => (float loss) {{ {nodes} }}", W=W))
    for one in (model, alone):
        with pytest.raises(ModelError, match="'loss' is one number for all rows"):
            gradient(one, 0, output="loss")
    assert list(alone.coverage()["exact"]) == ["MatMul", "ReduceSum"]


def test_a_model_without_float_outputs():
    with pytest.raises(ModelError, match="no float output"):
        gradient(load(parse("m (float[n, 6] x) => (int64[n, 1] y) { y = ArgMax<axis = 1>(x) }")), 0)


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "feature-ablation", "pathway-gradient"])
def test_an_output_with_other_rows_than_the_input_is_refused(method):
    """A recurrent network as frameworks export it by default: time comes first, and rows second."""
    nodes = "o, h = RNN<hidden_size = 6>(x, I, R); s = Squeeze(h, first); r = Relu(s)"
    weights = {"I": W[None], "R": W[None] / 4, "V": W[:, :2], "first": np.int64([0])}
    model = load(parse(f"m (float[t, n, 6] x) => (float[n, 2] y) {{ {nodes}; y = MatMul(r, V) }}", **weights))
    steps = RNG.normal(size=(5, 3, 6)).astype(np.float32)
    with pytest.raises(InputError, match=r"'y' is \(3, 2\) for 1 rows of input: its first axis, or the input's"):
        onnxpath.attribute(model, steps, 1, method)
