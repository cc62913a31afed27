"""Decoding: the climb against torch's Adam, what jitter and waves do by hand, and what cannot be asked."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from onnxpath.pathway.analyses.ascent import PARAMETRISATIONS
from onnxpath.pathway.analyses.decode import Climb
from tests.models import parse, run, sample, sample_images


def linear(weights):
    """A network that wants most where its weights are largest."""
    text = "m (float[n, 1, 8, 8] x) => (float[n, 2] y) { f = Flatten(x); y = MatMul(f, W) }"
    return parse(text, W=np.stack([weights.ravel(), -weights.ravel()], 1).astype(np.float32))


def decode(model, x, *arguments, **options):
    return onnxpath.decode(onnxpath.load(model, providers="cpu"), np.float32(x), *arguments, **options)


def pathways(name, x, **options):
    return onnxpath.critical_pathway(onnxpath.load(sample(name), providers="cpu"), x, **options)


# ------------------------------------------------------------------------------------------------ the climb


@pytest.mark.needs("torch")
def test_the_climb_is_that_of_torch():
    """The masked network and Adam in torch, in the input's own units and within a range."""
    import torch

    from tests.pathway.torch_oracle import forward, picked

    x = sample_images()[:2]
    found = pathways("digits_cnn", x, sparsity=0.8)
    masks = [torch.tensor(np.stack([p.masks[k] for p in found]), dtype=torch.float32) for k in found[0].masks]
    target = np.array([p.target for p in found])
    for value_range in (None, (-1.0, 2.0)):
        low, high = value_range or (0, 0)
        numbers = torch.zeros(x.shape, requires_grad=True)
        adam = torch.optim.Adam([numbers], lr=0.05, maximize=True)
        for _ in range(8):
            adam.zero_grad()
            image = numbers if value_range is None else low + (high - low) * torch.sigmoid(numbers)
            picked(forward("digits_cnn", image, lambda call, a: a * masks[call])[0], target).backward()
            adam.step()
        expected = numbers if value_range is None else low + (high - low) * torch.sigmoid(numbers)
        decoded = decode(sample("digits_cnn"), x, pathways=found, steps=8, value_range=value_range)
        difference = np.abs(decoded.values - expected.detach().numpy())
        # Adam's step has the sign of a gradient, whose last digits decide where it is nearly zero.
        assert np.median(difference) < 1e-4 and (difference < 1e-2).mean() > 0.98
        assert (decoded.target == target).all()


def test_scores_are_those_of_the_masked_network_and_rise():
    x = sample_images()[:3]
    found = pathways("digits_cnn", x, sparsity=0.9)
    decoded = decode(sample("digits_cnn"), x, pathways=found, steps=40)
    masks = {f"mask_{k}": np.stack([p.masks[k] for p in found]).astype(np.float32) for k in found[0].masks}
    logits = run(onnxpath.insert_masks(sample("digits_cnn")), {"image": decoded.values, **masks})["logits"]
    np.testing.assert_allclose(decoded.logits, logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(decoded.scores[:, -1], logits[range(3), [p.target for p in found]], rtol=1e-4)
    start = run(onnxpath.insert_masks(sample("digits_cnn")), {"image": 0 * x, **masks})["logits"]
    np.testing.assert_allclose(decoded.scores[:, 0], start[range(3), [p.target for p in found]], rtol=1e-3, atol=1e-4)
    assert decoded.scores.shape == (3, 41) and (decoded.scores[:, -1] > decoded.scores[:, 0] + 1).all()
    assert decoded.values.shape == x.shape and decoded.values.dtype == np.float32


def test_the_target_is_that_of_the_pathway_else_of_the_whole_network():
    x = sample_images()[:4]
    logits = run(sample("digits_cnn"), {"image": x})["logits"]
    assert (decode(sample("digits_cnn"), x, steps=1).target == logits.argmax(1)).all()
    assert (decode(sample("digits_cnn"), x, 3, steps=1).target == 3).all()
    found = pathways("digits_cnn", x, target=[1, 2, 3, 4])
    assert list(decode(sample("digits_cnn"), x, pathways=found, steps=1).target) == [1, 2, 3, 4]
    climbed = decode(sample("digits_cnn"), x, 3, steps=40)
    assert (run(sample("digits_cnn"), {"image": climbed.values})["logits"].argmax(1) == 3).all()


def test_values_stay_in_their_range_and_go_where_the_weights_say():
    weights = np.random.default_rng(0).normal(size=(1, 8, 8))
    low, high = np.full([1, 1, 1], -2.0), np.full([1, 1, 1], 5.0)
    decoded = decode(linear(weights), np.zeros([1, 1, 8, 8]), 0, steps=400, learning_rate=0.1, value_range=(low, high))
    assert decoded.values.min() >= -2 and decoded.values.max() <= 5
    np.testing.assert_array_equal(decoded.values[0] > 1.5, weights > 0)
    assert (np.abs(decoded.values[0] - np.where(weights > 0, 5, -2)) < 0.3).all()
    grey = decode(linear(0 * weights), np.zeros([1, 1, 8, 8]), 0, steps=1, value_range=(low, high))
    np.testing.assert_allclose(grey.values, 1.5)


def test_jitter_moves_what_is_seen_and_not_what_is_kept():
    """A network that sees one pixel, shifted by up to two places: five by five pixels of the image are climbed."""
    weights = np.zeros((1, 8, 8))
    weights[0, 4, 5] = 1
    still = decode(linear(weights), np.zeros([1, 1, 8, 8]), 0, steps=150)
    assert np.array_equal(still.values[0] > 0, weights > 0)
    moved = decode(linear(weights), np.zeros([1, 1, 8, 8]), 0, steps=150, jitter=2)
    expected = np.zeros((8, 8), bool)
    expected[2:7, 3:8] = True
    assert np.array_equal(moved.values[0, 0] > 0, expected)


def test_jitter_takes_back_the_shift_that_it_made():
    """A step of Adam is the sign of the gradient: for one shift, and no other, start, score and step agree."""
    weights, settings = np.random.default_rng(0).normal(size=(8, 8)), {"steps": 1, "start": "noise", "jitter": 2}
    decoded = decode(linear(weights[None]), np.zeros([4, 1, 8, 8]), 0, **settings)

    def score(row, shift):
        step = 0.05 * np.sign(np.roll(weights, [-s for s in shift], (0, 1)))
        return (weights * np.roll(decoded.values[row, 0] - step, shift, (0, 1))).sum()

    shifts = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    for row in range(4):
        assert sum(abs(score(row, shift) - decoded.scores[row, 0]) < 1e-4 for shift in shifts) == 1


def test_axes_of_height_and_width():
    """The same network on channels-last rows decodes to the same picture."""
    weights = np.random.default_rng(1).normal(size=(1, 8, 8))
    text = "m (float[n, 8, 8, 1] x) => (float[n, 2] y) { f = Flatten(x); y = MatMul(f, W) }"
    last = parse(text, W=np.stack([weights.ravel(), -weights.ravel()], 1).astype(np.float32))
    settings = {"steps": 5, "parametrisation": "fourier", "jitter": 3, "start": "noise"}
    one = decode(linear(weights), np.zeros([2, 1, 8, 8]), 0, **settings).values[:, 0]
    for axes in ((-3, -2), (0, 1)):
        other = decode(last, np.zeros([2, 8, 8, 1]), 0, spatial=axes, **settings).values[..., 0]
        np.testing.assert_allclose(one, other, atol=1e-6)


# ------------------------------------------------------------------------------------------------ waves


@pytest.mark.parametrize("sizes", [(8, 8), (7, 5), (1, 6)])
@pytest.mark.parametrize("axes", [(-2, -1), (-3, -2)])
def test_waves_and_their_transpose(sizes, axes):
    rng = np.random.default_rng(0)
    shape = [2, 3, *sizes] if axes == (-2, -1) else [2, *sizes, 3]
    one, other = rng.normal(size=shape), rng.normal(size=shape)
    waves = PARAMETRISATIONS["fourier"](sizes, axes, 1.0)
    assert (waves.image(one) * other).sum() == pytest.approx((one * waves.back(other)).sum())
    np.testing.assert_allclose(waves.image(one + 2 * other), waves.image(one) + 2 * waves.image(other))


def test_waves_by_numpy():
    """A number at a frequency is a wave of just that frequency; white numbers give 1 / f."""
    waves = PARAMETRISATIONS["fourier"]((32, 32), (-2, -1), 1.0)
    single = np.zeros((1, 32, 32))
    single[0, 3, 5] = 1
    power = np.abs(np.fft.fft2(waves.image(single)[0]))
    assert sorted(map(tuple, np.argwhere(power > 1e-9))) == [(3, 5), (29, 27)]
    drawn = np.random.default_rng(0).standard_normal((300, 32, 32))
    amplitude = np.sqrt((np.abs(np.fft.fft2(waves.image(drawn))) ** 2).mean(0))
    assert amplitude[0, 2] / amplitude[0, 8] == pytest.approx(4, rel=0.1)
    assert waves.image(drawn).std() == pytest.approx(1, rel=0.05)
    flat = PARAMETRISATIONS["fourier"]((32, 32), (-2, -1), 0.0).image(drawn)
    assert np.linalg.norm(flat) == pytest.approx(np.linalg.norm(drawn))


# ------------------------------------------------------------------------------------------------ calls


@pytest.mark.parametrize("settings", [{}, {"start": "noise", "seed": 4, "jitter": 2, "parametrisation": "fourier"}])
def test_a_batch_is_the_same_whatever_runs_together(settings):
    x = sample_images()[:3]
    together = decode(sample("digits_cnn"), x, steps=3, **settings)
    small = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    apart = onnxpath.decode(small, x, steps=3, **settings)
    assert np.median(np.abs(together.values - apart.values)) < 1e-5
    assert together.options == apart.options
    if settings:
        assert np.abs(together.values[0] - together.values[1]).max() > 0.1
        other = decode(sample("digits_cnn"), x, steps=3, **{**settings, "seed": 5})
        assert np.abs(together.values - other.values).max() > 0.1


def test_a_batch_that_the_file_fixes():
    model = linear(np.ones((1, 8, 8)))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    decoded = decode(model, np.zeros([3, 1, 8, 8]), steps=4, start="noise")
    free = decode(linear(np.ones((1, 8, 8))), np.zeros([3, 1, 8, 8]), steps=4, start="noise")
    np.testing.assert_allclose(decoded.values, free.values, atol=1e-6)
    assert decoded.scores.shape == (3, 5) and decoded.logits.shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"parametrisation": "fourrier"}, UnknownName, "did you mean 'fourier'"),
        ({"start": "gray"}, UnknownName, "did you mean 'grey'"),
        ({"stepz": 3}, UnknownName, "did you mean 'steps'"),
        ({"steps": 0}, InputError, "steps of 1 or more"),
        ({"learning_rate": 0}, InputError, "a positive learning rate"),
        ({"jitter": -1}, InputError, "jitter of 0 or more"),
        ({"value_range": (1, np.zeros((1, 16, 16)))}, InputError, "a lowest value is above its highest"),
        ({"target": 10}, InputError, "out of range"),
    ],
)
def test_settings_that_cannot_be_used(options, error, says):
    with pytest.raises(error, match=says):
        decode(sample("digits_cnn"), sample_images()[:1], **options)


def test_models_that_cannot_be_climbed():
    two = parse("m (float[n, 3] p, float[n, 3] q) => (float[n, 3] y) { s = Add(p, q); y = Relu(s) }")
    with pytest.raises(InputError, match="explained by p, q"):
        onnxpath.decode(two, [np.ones((1, 3), np.float32)] * 2)
    flat = parse("m (float[n, 3] x) => (float[n, 3] y) { a = Relu(x); y = Add(a, x) }")
    assert decode(flat, np.ones((1, 3)), steps=2).values.shape == (1, 3)
    for settings in ({"jitter": 1}, {"parametrisation": "fourier"}):
        with pytest.raises(InputError, match="need two spatial axes, and the rows of 'x' have 1"):
            decode(flat, np.ones((1, 3)), **settings)
    assert Climb(parametrisation="fourier").spatial and not Climb().spatial


def test_pathways_that_do_not_fit():
    x = sample_images()[:2]
    with pytest.raises(InputError, match="2 rows need one pathway each; 1 were given"):
        decode(sample("digits_cnn"), x, pathways=pathways("digits_cnn", x[:1]))
    with pytest.raises(InputError, match="the neuron layers of this network"):
        decode(sample("digits_cnn"), x, pathways=pathways("digits_resnet", x))
