"""Conservation as data: per node, on every cut, the excess before RAP's shift, and where relevance was lost."""

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.conservation import conservation, worst
from tests.models import parse, sample, sample_images
from tests.relevance.test_rap import frozen, loaded

NETWORKS = ("mlp", "vgg", "strided", "bn", "residual")


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_cut_of_rap_holds_the_logit(name, published):
    data = frozen(name)
    x, logits = data["x"].astype(np.float32), data["logits"][range(4), data["target"]]
    passages = conservation(loaded(name), x, data["target"], published=published)
    found = onnxpath.attribute(loaded(name), x, data["target"], "rap", published=published)
    for passage in passages:
        assert np.allclose(passage.cut, logits, rtol=1e-4), passage
    assert np.allclose(passages[-1].cut, found.values.reshape(4, -1).sum(1), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "composite"),
    [("digits_cnn", "epsilon-plus-flat"), ("digits_resnet", "epsilon-plus-flat"), ("digits_vit", "attnlrp")],
)
def test_the_last_cut_is_the_map(name, composite):
    """Biases take relevance, and what is left on the cut behind the first node is what the input has."""
    x = sample_images()[:3]
    passages = conservation(sample(name), x, method="lrp", composite=composite)
    found = onnxpath.attribute(sample(name), x, method="lrp", composite=composite)
    assert np.allclose(passages[-1].cut, found.values.reshape(3, -1).sum(1), atol=1e-4)
    assert np.allclose(passages[-1].cut - passages[0].given, found.delta, atol=1e-4)
    assert np.allclose(sum(p.lost for p in passages), -found.delta, atol=1e-4)


def test_a_cut_through_two_branches():
    """Relevance on two branches that wait for each other is counted on both."""
    text = "m (float[n, 1] x) => (float[n, 1] y) { a = MatMul(x, A); b = Relu(a); c = MatMul(x, C); y = Add(b, c) }"
    model = parse(text, A=np.float32([[3]]), C=np.float32([[1]]))
    passages = conservation(model, np.float32([[2]]), method="lrp", composite="lrp-epsilon")
    assert passages[0].operator == "Add" and len(passages) == 4
    assert all(np.allclose(p.cut, 8, rtol=1e-5) for p in passages)
    assert sorted(float(p.given[0]) for p in passages) == pytest.approx([2, 6, 6, 8], rel=1e-5)


def test_the_excess_by_hand():
    """R >= 0 and inputs above zero: the second term adds sum_k R_k Z-/(Z+ + Z-), which the shift takes away."""
    rng = np.random.default_rng(7)
    w, v, x = rng.normal(size=(5, 4)), np.abs(rng.normal(size=(4, 2))), rng.random((3, 5))
    text = "m (float[n, 5] x) => (float[n, 2] y) { h = MatMul(x, W); a = Relu(h); y = MatMul(a, V) }"
    model = parse(text, W=w.astype(np.float32), V=v.astype(np.float32))
    last, relu, first = conservation(model, x.astype(np.float32), 1)
    a = np.maximum(x @ w, 0)
    r = a * v[:, 1]
    up, down = x @ np.maximum(w, 0), x @ np.maximum(-w, 0)
    assert np.allclose(first.excess, (r * down / (up + down)).sum(1), rtol=1e-4)
    assert last.excess is None and relu.excess is None


def test_the_worst_nodes_are_named():
    text = "m (float[n, 2] x) => (float[n, 1] y) { h = Gemm(x, W, b); a = Relu(h); y = MatMul(a, V) }"
    weights = {"W": np.float32([[1, 0], [2, 0]]), "b": np.float32([0, 3]), "V": np.float32([[1], [1]])}
    passages = conservation(parse(text, **weights), np.float32([[1, 4], [5, 2]]))
    (leak,) = [p for p in worst(passages) if np.abs(p.lost).max() > 1e-4]
    assert leak.operator == "Gemm" and np.allclose(leak.lost, 3) and np.allclose(leak.cut, leak.given - 3)
    assert worst(passages, 1) == [leak] and worst([]) == []


def test_many_rows_are_run_in_parts():
    model = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    x = sample_images()[:3]
    together = conservation(sample("digits_cnn"), x)
    for one, other in zip(together, conservation(model, x), strict=True):
        assert one.node == other.node and np.allclose(one.given, other.given, atol=1e-4)


def test_what_is_not_conserved_at_all():
    with pytest.raises(onnxpath.InputError, match="composite 'beta-smooth' passes gradients on"):
        conservation(sample("digits_cnn"), sample_images()[:1], method="lrp", composite="beta-smooth")


def test_what_speaks_for_and_against_is_kept_apart():
    x = sample_images()[:3]
    found = onnxpath.attribute(sample("digits_cnn"), x, method="rap")
    assert (found.positive >= 0).all() and (found.negative <= 0).all() and found.negative.any()
    assert np.array_equal(found.positive + found.negative, found.values)
    logits = found.logits.max(1)
    assert np.allclose((found.positive + found.negative).reshape(3, -1).sum(1), logits, rtol=1e-4)
