"""Methods of gradients and of the input against Captum, on five networks."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest

import onnxpath
from tests.conftest import absent
from tests.models import relative
from tests.parity import record
from tests.reference_model import in_double

if missing := absent("captum", "torch"):
    pytest.skip(missing, allow_module_level=True)

import captum.attr as captum
import torch
from torch import nn

from tests.attribution.captum_compared import (
    DOUBLE,
    SINGLE,
    STEPS,
    check,
    every_network,
    inputs,
    rectified,
    starts,
    unpooled,
)
from tests.attribution.captum_networks import TARGETS, export, exported, network, rows

DRAWS, SEED, NOISE = 4, 3, 0.1
QUADRATURES = ("gausslegendre", "riemann_left", "riemann_middle", "riemann_right", "riemann_trapezoid")

pytestmark = pytest.mark.filterwarnings("ignore")

# --------------------------------------------------------------------------------------------------- maps of the input


@every_network
def test_gradient(name):
    net, x = network(name), inputs(name)
    check("gradient", "Saliency, signed", name, captum.Saliency(net).attribute(x, TARGETS, abs=False))
    check("input-x-gradient", "InputXGradient", name, captum.InputXGradient(net).attribute(x, TARGETS).detach())


@rectified
def test_rectified(name):
    net, x = network(name), inputs(name)
    check("guided-backprop", "GuidedBackprop", name, captum.GuidedBackprop(net).attribute(x, TARGETS))
    check("deconvnet", "Deconvolution", name, captum.Deconvolution(net).attribute(x, TARGETS))


@pytest.mark.parametrize("quadrature", QUADRATURES)
@every_network
def test_integrated_gradients(name, quadrature):
    first = starts(name)[1]
    expected, delta = captum.IntegratedGradients(network(name)).attribute(
        inputs(name), first, TARGETS, n_steps=STEPS, method=quadrature, return_convergence_delta=True
    )
    asked = {"n_steps": STEPS, "quadrature": quadrature, "baselines": first.numpy()}
    title = f"integrated-gradients, {quadrature}"
    found = check("integrated-gradients", "IntegratedGradients", name, expected, title, **asked)
    np.testing.assert_allclose(found.delta, delta, atol=1e-6)


@every_network
def test_local_integrated_gradients(name):
    """Without the factor x - x'."""
    first = starts(name)[1]
    oracle = captum.IntegratedGradients(network(name), multiply_by_inputs=False)
    asked = {"n_steps": STEPS, "baselines": first.numpy(), "multiply_by_inputs": False}
    title = "integrated-gradients, multiply_by_inputs=False"
    expected = oracle.attribute(inputs(name), first, TARGETS, n_steps=STEPS)
    found = check("integrated-gradients", "IntegratedGradients", name, expected, title, **asked)
    assert found.delta is None


@contextmanager
def same_draws(name, noise, indices=None, alphas=None):
    """Let Captum draw what onnxpath draws: noise [DRAWS, ...], baselines and points [DRAWS], the same for each row."""
    count = len(rows(name)[0])
    patches = [patch("torch.normal", lambda mean, stdev: torch.tensor(np.concatenate([noise] * count)) * stdev)]
    if indices is not None:
        patches.append(patch("numpy.random.choice", lambda *given: np.tile(indices, count)))
        patches.append(patch("numpy.random.uniform", lambda *given: np.tile(alphas, count)))
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


@pytest.mark.parametrize(
    ("method", "kind"), [("smoothgrad", "smoothgrad"), ("smoothgrad-squared", "smoothgrad_sq"), ("vargrad", "vargrad")]
)
@every_network
def test_noise(name, method, kind):
    rng = np.random.default_rng(SEED)
    noise = np.stack([rng.standard_normal(rows(name)[0].shape[1:]) for _ in range(DRAWS)])
    tunnel = captum.NoiseTunnel(captum.Saliency(network(name)))
    with same_draws(name, noise):
        expected = tunnel.attribute(
            inputs(name), nt_type=kind, nt_samples=DRAWS, stdevs=NOISE, target=TARGETS, abs=False
        )
    check(method, f"NoiseTunnel, {kind}", name, expected, n_samples=DRAWS, stdevs=NOISE, seed=SEED)


def test_noise_around_another_method():
    name = "sample ResNet"
    rng = np.random.default_rng(SEED)
    noise = np.stack([rng.standard_normal(rows(name)[0].shape[1:]) for _ in range(DRAWS)])
    tunnel = captum.NoiseTunnel(captum.IntegratedGradients(network(name)))
    with same_draws(name, noise):
        expected = tunnel.attribute(inputs(name), nt_samples=DRAWS, stdevs=NOISE, target=TARGETS, n_steps=3)
    title, asked = "smoothgrad of integrated-gradients", {"base": "integrated-gradients", "n_steps": 3}
    oracle = "NoiseTunnel(IntegratedGradients)"
    check("smoothgrad", oracle, name, expected, title, n_samples=DRAWS, stdevs=NOISE, seed=SEED, **asked)


@pytest.mark.parametrize(("method", "stdev"), [("expected-gradients", 0.0), ("gradient-shap", NOISE)])
@pytest.mark.parametrize("whole", [True, False])
@every_network
def test_expectations(name, method, stdev, whole):
    sample, rng = starts(name)[0], np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS):
        index, alpha = rng.integers(len(sample)), rng.random()
        noise = rng.standard_normal(sample.shape[1:]) if stdev else np.zeros(sample.shape[1:])
        drawn.append((index, alpha, noise))
    indices, alphas, noise = zip(*drawn, strict=True)
    oracle = captum.GradientShap(network(name), multiply_by_inputs=whole)
    with same_draws(name, np.stack(noise), indices, alphas):
        expected, deltas = oracle.attribute(inputs(name), sample, DRAWS, stdev, TARGETS, return_convergence_delta=True)
    asked = {"baselines": sample.numpy(), "n_samples": DRAWS, "seed": SEED, "multiply_by_inputs": whole}
    asked |= {"stdevs": stdev} if stdev else {}
    title = method + ("" if whole else ", multiply_by_inputs=False")
    found = check(method, "GradientShap", name, expected, title, **asked)
    if whole and not stdev:
        np.testing.assert_allclose(found.delta, deltas.reshape(-1, DRAWS).mean(1), atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ DeepLIFT


def by_deeplift(oracle, name, starts, **options):
    """Row by row: Captum's rule of MaxPool takes the first row's gradient for all where nothing differs."""
    x = inputs(name)
    with patch("torch.nn.functional.max_unpool2d", unpooled):
        parts = [oracle.attribute(x[i : i + 1], starts, target=t, **options) for i, t in enumerate(TARGETS)]
    return torch.cat(parts).detach()


@pytest.mark.parametrize("whole", [True, False])
@rectified
def test_deeplift(name, whole):
    first = starts(name)[1]
    expected = by_deeplift(captum.DeepLift(network(name), multiply_by_inputs=whole), name, first)
    title = "deeplift" + ("" if whole else ", multiply_by_inputs=False")
    asked = {"baselines": first.numpy(), "multiply_by_inputs": whole}
    found = check("deeplift", "DeepLift", name, expected, title, **asked)
    if whole:
        assert np.abs(found.delta).max() <= 1e-9 * np.abs(found.logits).max()


@rectified
def test_deeplift_from_zero(name):
    expected = by_deeplift(captum.DeepLift(network(name)), name, torch.zeros_like(starts(name)[1]))
    check("deeplift", "DeepLift", name, expected, "deeplift, from zero")


@rectified
def test_deeplift_shap(name):
    sample = starts(name)[0]
    expected = by_deeplift(captum.DeepLiftShap(network(name)), name, sample)
    found = check("deeplift-shap", "DeepLiftShap", name, expected, baselines=sample.numpy())
    assert np.abs(found.delta).max() <= 1e-9 * np.abs(found.logits).max()


def test_softmax_as_in_captum():
    """Of a Softmax inside the network, whose rule there does not keep the sum."""
    torch.manual_seed(6)
    net = nn.Sequential(nn.Linear(6, 7), nn.Softmax(1), nn.Linear(7, 3)).requires_grad_(False)
    x, first = torch.randn(2, 6), torch.randn(1, 6)
    proto, title = export(net, x), "deeplift, softmax=captum"
    parts = [captum.DeepLift(net.double()).attribute(x[i : i + 1].double(), first.double(), i) for i in range(2)]
    expected, asked = torch.cat(parts).detach(), {"target": [0, 1], "method": "deeplift", "baselines": first.numpy()}
    single = onnxpath.attribute(onnxpath.load(proto, providers="cpu"), x.numpy(), **asked, softmax="captum")
    near = record(title, "Captum DeepLift", "Softmax inside", "float32", relative(single.values, expected))
    with in_double(proto) as model:
        double = onnxpath.attribute(model, x.double().numpy(), **asked, softmax="captum")
        complete = onnxpath.attribute(model, x.double().numpy(), **asked)
    nearer = record(title, "Captum DeepLift", "Softmax inside", "float64", relative(double.values, expected))
    assert near <= SINGLE and nearer <= DOUBLE
    assert np.abs(double.delta).min() > 1e-3 > 1e-12 > np.abs(complete.delta).max()


# ------------------------------------------------------------------------------------------------------------- RectGrad


class Rectified(torch.autograd.Function):
    """ReLU that passes on what contributes most in each row, by numpy's percentile."""

    q = 90.0

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x.relu())
        return x.relu()

    @staticmethod
    def backward(context, grad):
        contribution = (context.saved_tensors[0] * grad).numpy()
        bound = np.percentile(contribution.reshape(len(contribution), -1), Rectified.q, axis=1)
        bound = bound.reshape(-1, *[1] * (contribution.ndim - 1))
        return torch.where(torch.tensor(contribution > bound), grad, 0)


@pytest.mark.parametrize("q", [98, 60.5])
@rectified
def test_rectgrad(name, q):
    """The formula of Kim et al. (2019) in torch, with the factor of the input that their code has."""
    x = inputs(name).requires_grad_()
    with patch.object(nn.ReLU, "forward", lambda self, x: Rectified.apply(x)), patch.object(Rectified, "q", q):
        logits = network(name)(x)
        expected = (x * torch.autograd.grad(logits[range(len(x)), TARGETS].sum(), x)[0]).detach()
    assert expected.abs().max() > 0
    proto = exported(name)
    single = onnxpath.attribute(onnxpath.load(proto, providers="cpu"), rows(name)[0], TARGETS, "rectgrad", q=q)
    near = record(f"rectgrad, q={q}", "its formula in torch", name, "float32", relative(single.values, expected))
    with in_double(proto) as model:
        double = onnxpath.attribute(model, rows(name)[0].astype(np.float64), TARGETS, "rectgrad", q=q)
    nearer = record(f"rectgrad, q={q}", "its formula in torch", name, "float64", relative(double.values, expected))
    assert near <= SINGLE and nearer <= DOUBLE
