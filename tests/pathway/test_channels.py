"""Top channels: kept scores summed by channel, compared with sums by hand from masks and contributions."""

import json

import numpy as np
import pytest

import onnxpath
from onnxpath import Pathway
from onnxpath.pathway.channels import TOP, top_channels
from onnxpath.pathway.selectors import SELECTORS
from tests.models import QUICK, SAMPLES, mlp, parse, run, sample, sample_images

X = np.random.default_rng(12).normal(size=(4, 6)).astype(np.float32)


def pathways(model, x, **options):
    return onnxpath.critical_pathway(onnxpath.load(model, providers="cpu"), x, **options)


def by_hand(scores, mask):
    """The shares of all channels of one row, channel by channel; None where nothing with a score is kept."""
    # Pictures have their channels first, tokens last.
    first = scores if scores.ndim != 2 else scores.T
    kept = mask if scores.ndim != 2 else mask.T
    sums = [sum(abs(float(v)) for v in s[m].ravel()) for s, m in zip(first, kept, strict=True)]
    return np.array(sums) / sum(sums) if sum(sums) else None


def check(layer, expected):
    """A layer tells the largest shares, in their order."""
    if expected is None:
        assert layer.channels == layer.shares == ()
        return
    assert len(layer.channels) == len(layer.shares) == min(TOP, np.count_nonzero(expected > 5e-5))
    assert len(set(layer.channels)) == len(layer.channels)
    np.testing.assert_allclose(layer.shares, expected[list(layer.channels)], atol=2e-4)
    assert list(layer.shares) == sorted(layer.shares, reverse=True)
    rest = np.delete(expected, layer.channels)
    assert min(layer.shares, default=0) >= max(rest, default=0) - 2e-4


@pytest.mark.needs("torch")
@pytest.mark.parametrize("sparsity", [0.5, 0.98])
@pytest.mark.parametrize("name", SAMPLES)
def test_equal_to_the_sums_of_contributions_of_torch(name, sparsity):
    from tests.pathway.torch_oracle import contributions

    x = sample_images()[:3]
    found = pathways(sample(name), x, sparsity=sparsity)
    scores = contributions(name, x, [p.target for p in found])
    for row, pathway in enumerate(found):
        for layer, score in zip(pathway.layers, scores, strict=True):
            check(layer, by_hand(score[row], pathway.masks[layer.name]))


@pytest.mark.parametrize("selector", ["activation-only", "active-subnet"])
def test_of_other_selectors_it_is_their_score_that_is_summed(selector):
    x = sample_images()[:3]
    layers = [layer.name for layer in onnxpath.load(sample("digits_resnet"), providers="cpu").layers()]
    a = run(onnxpath.expose(sample("digits_resnet"), layers), {"image": x}, outputs=layers)
    for row, pathway in enumerate(pathways(sample("digits_resnet"), x, selector=selector)):
        for layer in pathway.layers:
            check(layer, by_hand(a[layer.name][row], pathway.masks[layer.name]))


@pytest.mark.parametrize("selector", SELECTORS.names())
@pytest.mark.parametrize("name", SAMPLES)
def test_every_selector_tells_channels_that_are_kept(name, selector):
    for pathway in pathways(sample(name), sample_images()[:2], selector=selector, **QUICK.get(selector, {})):
        for layer in pathway.layers:
            mask = pathway.masks[layer.name]
            kept = np.flatnonzero(mask.any((1, 2)) if mask.ndim == 3 else mask.reshape(-1, mask.shape[-1]).any(0))
            assert set(layer.channels) <= set(kept.tolist())
            assert bool(layer.channels) == bool(layer.kept) and sum(layer.shares) <= 1.0002


def test_a_dense_layer_by_hand():
    """y = w · relu(x): the contributions are w x, 8 of them, of which three are kept or a fourth."""
    weights = np.array([[1], [2], [0], [1], [1], [1], [1], [1]], np.float32)
    model = parse("m (float[n, 8] x) => (float[n, 1] y) { a = Relu(x); y = MatMul(a, W) }", W=weights)
    x = np.array([[4, 3, 9, -5, 2, 1, 0, 0.5], [0, 1, 0, 0, 0, 0, 0, 0]], np.float32)
    (some, one) = pathways(model, x, sparsity=0.5)
    assert some.layers[0].channels == (1, 0, 4) and some.layers[0].shares == (0.4615, 0.3077, 0.1538)  # of 13
    assert (one.layers[0].channels, one.layers[0].shares) == ((1,), (1.0,))
    (few,) = pathways(model, x[:1], sparsity=0.75)
    assert few.layers[0].channels == (1, 0) and few.layers[0].shares == (0.6, 0.4)
    assert all(layer.channels == layer.shares == () for layer in pathways(model, x[:1], sparsity=1.0)[0].layers)


def test_a_layer_without_an_axis_is_one_channel():
    model = parse("m (float[n] x) => (float[n] y) { a = Relu(x); y = Mul(a, two) }", two=np.float32(2))
    found = pathways(model, np.array([3, -1], np.float32), sparsity=0.0)
    assert [(p.layers[0].channels, p.layers[0].shares) for p in found] == [((0,), (1.0,)), ((), ())]


def test_sums_that_tie_vanish_or_overflow():
    sums = {
        "ties": np.array([[1.0, 2.0, 2.0, 2.0, 1.0], [0, 0, 0, 0, 0]]),
        "narrow": np.array([[1e-9, 1.0], [0.25, 0.75]]),
        "large": np.float32([[np.inf, 1, 0], [np.inf, np.inf, 1]]),
        "none": np.zeros((2, 0)),
    }
    assert top_channels(sums) == {
        "ties": [((1, 2, 3), (0.25, 0.25, 0.25)), ((), ())],
        "narrow": [((1,), (1.0,)), ((1, 0), (0.75, 0.25))],
        "large": [((), ())] * 2,
        "none": [((), ())] * 2,
    }
    assert top_channels({}) == {}


def test_a_row_has_the_channels_that_it_has_alone():
    together = pathways(sample("digits_vit"), sample_images()[:4], sparsity=0.9)
    for row, pathway in enumerate(together):
        (alone,) = pathways(sample("digits_vit"), sample_images()[row : row + 1], sparsity=0.9)
        for one, other in zip(pathway.layers, alone.layers, strict=True):
            assert one.channels == other.channels
            np.testing.assert_allclose(one.shares, other.shares, atol=2e-4)


def test_attribute_tells_them_where_it_is_asked_for_facts():
    with_facts = onnxpath.attribute(mlp(), X, activity=True).pathways
    assert all(layer.channels for pathway in with_facts for layer in pathway.layers if layer.kept)
    assert not any(layer.channels for pathway in onnxpath.attribute(mlp(), X).pathways for layer in pathway.layers)


def test_saved_loaded_and_missing_in_older_files(tmp_path):
    (pathway,) = pathways(mlp(), X[:1])
    pathway.save(tmp_path / "p.npz")
    assert Pathway.load(tmp_path / "p.npz").layers == pathway.layers and pathway.layers[0].channels
    with np.load(tmp_path / "p.npz") as data:
        meta, masks = json.loads(bytes(data["pathway"])), data["masks"]
    for layer in meta["layers"]:
        del layer["channels"], layer["shares"]
    np.savez(tmp_path / "older.npz", pathway=np.frombuffer(json.dumps(meta).encode(), np.uint8), masks=masks)
    assert [layer.channels for layer in Pathway.load(tmp_path / "older.npz").layers] == [()] * len(pathway.layers)
