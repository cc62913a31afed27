"""Every method against torch and Captum, on the sample models."""

import numpy as np
import pytest

import onnxpath
from onnxpath.pathway.quadrature import METHODS
from onnxpath.pathway.selectors import SELECTORS
from tests.models import QUICK, SAMPLES, cosine, relative, sample, sample_images

pytestmark = pytest.mark.needs("torch")
every_model = pytest.mark.parametrize("name", SAMPLES)
TARGETS = [3, 0, 9, 1]


def attribute(name, x, method, **options):
    return onnxpath.attribute(onnxpath.load(sample(name), providers="cpu"), x, method=method, **options)


def check(name, found, expected):
    """The tolerances of float32: wide where a ReLU or a max-pool may sit on its kink."""
    assert relative(found, expected) <= (1e-4 if name == "digits_vit" else 1e-2)
    assert cosine(found, expected) >= 0.9999


@every_model
@pytest.mark.parametrize("target", [None, TARGETS])
def test_gradient(name, target):
    from tests.pathway.torch_oracle import input_gradient

    x = sample_images()[:4]
    expected = input_gradient(name, x, target)
    check(name, attribute(name, x, "gradient", target=target).values, expected)
    check(name, attribute(name, x, "input-x-gradient", target=target).values, x * expected)


@every_model
def test_gradient_of_a_cotangent(name):
    import torch

    from tests.pathway.torch_oracle import network

    x, seed = sample_images()[:4], np.random.default_rng(12).normal(size=(4, 10)).astype(np.float32)
    point = torch.tensor(x, requires_grad=True)
    expected = torch.autograd.grad(network(name)(point), point, torch.tensor(seed))[0].numpy()
    check(name, attribute(name, x, "gradient", target=seed).values, expected)


BASELINES = {
    "zero": 0,
    "a number": 0.25,
    "one for all rows": np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16),
    "one for each row": np.random.default_rng(13).random((4, 1, 16, 16)).astype(np.float32),
}


def by_captum(name, x, baseline, method, n_steps):
    """Map and convergence delta of Captum's integrated gradients."""
    import torch
    from captum.attr import IntegratedGradients

    from tests.pathway.torch_oracle import network

    baseline = torch.tensor(baseline) if isinstance(baseline, np.ndarray) else baseline
    found, delta = IntegratedGradients(network(name)).attribute(
        torch.tensor(x), baseline, TARGETS, n_steps=n_steps, method=method, return_convergence_delta=True
    )
    return found.numpy(), delta.numpy()


@pytest.mark.needs("captum")
@pytest.mark.parametrize("baseline", BASELINES.values(), ids=BASELINES.keys())
@every_model
def test_integrated_gradients(name, baseline):
    x = sample_images()[:4]
    found = attribute(name, x, "integrated-gradients", target=TARGETS, baselines=baseline, n_steps=9)
    expected, delta = by_captum(name, x, baseline, "gausslegendre", 9)
    check(name, found.values, expected)
    np.testing.assert_allclose(found.delta, delta, atol=2e-2 * np.abs(expected).sum((1, 2, 3)).max())


@pytest.mark.needs("captum")
@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"midpoint"}))
@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
def test_quadratures(name, method):
    x, n = sample_images()[:4], 6
    found = attribute(name, x, "integrated-gradients", target=TARGETS, n_steps=n, quadrature=method)
    # Captum has no rule whose weights sum to 1 under that name.
    whole = method == "trapezoid"
    expected, _ = by_captum(name, x, 0, "riemann_trapezoid" if whole else method, n)
    expected = expected * n / (n - 1) if whole else expected
    check(name, found.values, expected)


@every_model
def test_the_convergence_delta_is_small_with_many_steps(name):
    x = sample_images()[:4]
    found = attribute(name, x, "integrated-gradients", n_steps=100)
    assert np.all(np.abs(found.delta) <= 0.05 * np.abs(found.logits).max(1))
    sums = found.values.astype(np.float64).sum((1, 2, 3))
    start = attribute(name, 0 * x, "gradient", target=found.target).logits[np.arange(4), found.target]
    np.testing.assert_allclose(found.delta, sums - (found.logits.max(1) - start), atol=1e-3)


@pytest.mark.parametrize("selector", SELECTORS.names())
@every_model
def test_pathway_gradient(name, selector):
    """The masks multiplied onto torch's activations as constants, and torch's own gradient."""
    import torch

    from tests.pathway.torch_oracle import forward, input_gradient

    x = sample_images()[:4]
    found = attribute(name, x, "pathway-gradient", selector=selector, sparsity=0.8, **QUICK.get(selector, {}))
    layers = list(found.pathways[0].masks)
    masks = [torch.tensor(np.stack([p.masks[k] for p in found.pathways]), dtype=torch.float32) for k in layers]

    def mask(call, output):
        return output * masks[call]

    check(name, found.values, input_gradient(name, x, found.target, mask))
    logits = forward(name, x, mask)[0].numpy()
    assert [p.masked.prediction for p in found.pathways] == logits.argmax(1).tolist()
    np.testing.assert_allclose([p.masked.logit for p in found.pathways], logits[np.arange(4), found.target], atol=1e-3)
    np.testing.assert_array_equal(found.target, forward(name, x)[0].argmax(1))


@every_model
def test_with_nothing_pruned_the_pathway_gradient_is_the_gradient(name):
    x = sample_images()[:4]
    pathway = attribute(name, x, "pathway-gradient", sparsity=0.0)
    check(name, pathway.values, attribute(name, x, "gradient").values)
    assert [p.density for p in pathway.pathways] == [1.0] * 4
