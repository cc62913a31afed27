"""Fingerprints against slow counting; attacks against torch, within their box; the noise that controls a detector."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from onnxpath.pathway.analyses.adversarial import equal_noise
from tests.models import parse, run, sample, sample_images

CNN = sample("digits_cnn")


def load(model=CNN):
    return onnxpath.load(model, providers="cpu")


def attack(x, *arguments, **options):
    return onnxpath.attack(load(), x, *arguments, **options)


# ------------------------------------------------------------------------------------------------ fingerprints


@pytest.mark.parametrize(("name", "axes"), [("digits_cnn", [0, 0, 0, 0]), ("digits_vit", [-1, -1])])
def test_keep_rates_by_slow_counting(name, axes):
    x, model = sample_images()[:3], load(sample(name))
    pathways = onnxpath.critical_pathway(model, x)
    found = onnxpath.fingerprints(model, pathways)
    expected, features = [], []
    for row, pathway in enumerate(pathways):
        rates = []
        for (layer, mask), axis in zip(pathway.masks.items(), axes, strict=True):
            for channel in range(mask.shape[axis]):
                part = mask.take(channel, axis).ravel()
                rates.append(sum(map(int, part)) / len(part))
                features += [(layer, channel)] if row == 0 else []
        expected.append(rates)
    np.testing.assert_allclose(found.values, expected)
    assert found.features == tuple(features) and found.values.shape == (3, len(features))
    kept = sum(layer.kept for layer in pathways[0].layers)
    sizes = {layer.name: layer.neurons for layer in pathways[0].layers}
    per_channel = [sizes[layer] / sum(f[0] == layer for f in features) for layer, _ in features]
    assert (found.values[0] * per_channel).sum() == pytest.approx(kept)


def test_channel_pathways_have_rates_of_zero_and_one():
    model = load()
    pathways = onnxpath.critical_pathway(model, sample_images()[:2], selector="dgr", n_steps=3)
    assert set(np.unique(onnxpath.fingerprints(model, pathways).values)) <= {0.0, 1.0}


def test_fingerprints_of_other_networks():
    pathways = onnxpath.critical_pathway(load(), sample_images()[:2])
    with pytest.raises(InputError, match="pathway 0 is not of this network's layers"):
        onnxpath.fingerprints(load(sample("digits_resnet")), pathways)
    with pytest.raises(InputError, match="there are none"):
        onnxpath.fingerprints(load(), [])


# ------------------------------------------------------------------------------------------------ attacks


@pytest.mark.needs("torch")
def test_one_step_is_that_of_torch():
    import torch

    from tests.pathway.torch_oracle import network

    x, labels = sample_images()[:6], np.array([1, 2, 3, 4, 5, 6])
    point = torch.tensor(x, requires_grad=True)
    torch.nn.functional.cross_entropy(network("digits_cnn")(point), torch.tensor(labels), reduction="sum").backward()
    expected = x + 0.1 * np.sign(point.grad.numpy())
    found = attack(x, labels, method="fgsm", epsilon=0.1)
    # Signs of slopes that are nearly zero depend on their last digits.
    assert (np.abs(found.values - expected) < 1e-5).mean() > 0.995
    assert (found.labels == labels).all() and found.epsilon == 0.1


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_attacks_stay_in_their_box_and_fool(method):
    x = sample_images()
    logits = run(CNN, {"image": x})["logits"]
    low, high = np.full([1, 1, 1], x.min()), np.full([1, 1, 1], x.max())
    for epsilon in (0.0, 0.05, 0.3):
        found = attack(x, method=method, epsilon=epsilon, value_range=(low, high))
        moved = np.abs(found.values - x) / (x.max() - x.min())
        assert moved.max() <= epsilon + 1e-6 and found.values.dtype == np.float32
        assert found.values.min() >= x.min() - 1e-6 and found.values.max() <= x.max() + 1e-6
        assert (found.labels == logits.argmax(1)).all()
        after = run(CNN, {"image": found.values})["logits"]
        np.testing.assert_array_equal(found.predictions, after.argmax(1))
        np.testing.assert_array_equal(found.fooled, found.predictions != found.labels)
        if epsilon == 0:
            assert not found.fooled.any()
        else:
            assert moved.max() > 0.9 * epsilon
            assert (loss(after, found.labels) > loss(logits, found.labels)).all()
    assert found.fooled.mean() > 0.5


def test_more_steps_fool_more():
    x = sample_images()
    one, ten = (attack(x, method=method, epsilon=0.2) for method in ("fgsm", "pgd"))
    losses = [loss(run(CNN, {"image": found.values})["logits"], found.labels) for found in (one, ten)]
    assert losses[1].mean() > losses[0].mean() and ten.fooled.sum() >= one.fooled.sum()


def loss(logits, labels):
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    return np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]


def test_epsilon_is_a_fraction_of_each_channel_s_range():
    text = "m (float[n, 2] x) => (float[n, 2] y) { y = Mul(x, w) }"
    model = parse(text, w=np.float32([[-1, 1]]))
    x = np.zeros((1, 2), np.float32)
    found = onnxpath.attack(model, x, 0, "fgsm", 0.5, (np.array([-1.0, -10.0]), np.array([1.0, 10.0])))
    np.testing.assert_allclose(found.values, [[1, 10]])  # half of 2, half of 20
    outside = onnxpath.attack(model, np.float32([[5, 0]]), 0, "fgsm", 0.5, (-1.0, 1.0))
    np.testing.assert_allclose(outside.values, [[5, 1]])  # no farther out, and not pulled in


def test_a_batch_is_its_rows_whatever_runs_together():
    x = sample_images()[:4]
    together = attack(x, epsilon=0.1)
    small = onnxpath.attack(onnxpath.load(CNN, providers="cpu", memory=1), x, epsilon=0.1)
    assert (np.abs(together.values - small.values) < 1e-5).mean() > 0.99
    other = attack(x, epsilon=0.1, seed=1)
    assert (np.abs(together.values - other.values) > 1e-3).mean() > 0.05


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"method": "fgms"}, UnknownName, "did you mean 'fgsm'"),
        ({"epsilon": -0.1}, InputError, "0 or more; -0.1 was given"),
        ({"epsilon": np.nan}, InputError, "0 or more; nan was given"),
        ({"value_range": (1, 0)}, InputError, "a lowest value is above its highest"),
        ({"labels": [1, 2]}, InputError, "3 rows need one target each"),
        ({"labels": 12}, InputError, "out of range"),
        ({"labels": np.ones((3, 10), np.float32)}, InputError, "labels are indices of classes"),
    ],
)
def test_what_cannot_be_asked(options, error, says):
    with pytest.raises(error, match=says):
        attack(sample_images()[:3], **options)


def test_models_that_cannot_be_attacked():
    two = parse("m (float[n, 3] p, float[n, 3] q) => (float[n, 3] y) { s = Add(p, q); y = Relu(s) }")
    with pytest.raises(InputError, match="one float input is moved here, and this model is explained by p, q"):
        onnxpath.attack(two, [np.ones((1, 3), np.float32)] * 2)
    picture = parse("m (float[n, 2, 3] x) => (float[n, 2, 3] y) { a = Relu(x); y = Add(a, x) }")
    with pytest.raises(InputError, match=r"needs the logits of classes, \[N, classes\]"):
        onnxpath.attack(picture, np.ones((1, 2, 3), np.float32))


# ------------------------------------------------------------------------------------------------ the control


def test_noise_is_as_long_as_the_attack():
    x = sample_images()[:5]
    attacked = attack(x, epsilon=0.1).values
    noisy = equal_noise(x, attacked)
    lengths = [np.linalg.norm((a - x).reshape(5, -1), axis=1) for a in (attacked, noisy)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-4)
    assert np.array_equal(noisy, equal_noise(x, attacked)) and not np.array_equal(noisy, equal_noise(x, attacked, 1))
    directions = (noisy - x).reshape(5, -1) / lengths[1][:, None]
    assert np.abs(directions @ directions.T - np.eye(5)).max() < 0.3
