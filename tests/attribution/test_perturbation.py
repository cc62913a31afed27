"""Occlusion, feature ablation and Shapley value sampling against Captum and exact enumeration."""

import numpy as np
import pytest

from tests.attribution.black_boxes import MASKS, PAIR, TARGETS, WEIGHTS, exact, pair_feeds
from tests.attribution.shared import attribute
from tests.models import mlp, parse, relative, run, sample, sample_images
from tests.parity import record

BASELINES = {"zero": 0, "a number": 0.25, "a row": np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16)}
captum = pytest.mark.needs("torch", "captum")


def network(name):
    from tests.pathway.torch_oracle import network

    return network(name)


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


def of_pair(a, b, c):
    import torch
    from onnx import numpy_helper

    v, w = (torch.tensor(numpy_helper.to_array(t)) for t in PAIR.graph.initializer)
    return torch.relu(torch.cat([a.flatten(1), b, c.float()], 1) @ v) @ w


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
