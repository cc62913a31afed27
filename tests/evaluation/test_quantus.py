"""Quantus on the same arrays, and onnxpath as its explain_func."""

import warnings

import numpy as np
import pytest

from onnxpath.evaluation.explanation import Explanation, by_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.quantus import explain_func
from onnxpath.evaluation.subject import Subject
from tests.models import input_name, run, sample, sample_images

pytestmark = [pytest.mark.needs("quantus", "torch"), pytest.mark.filterwarnings("ignore")]

MODEL, ROWS, STEP = sample("digits_cnn"), 6, 16
TOLERANCE = 1e-4
QUIET = {"disable_warnings": True, "normalise": False, "abs": False}


@pytest.fixture(scope="module")
def quantus():
    from tests.exporters.torchvision_stub import declare_operators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        declare_operators()  # Quantus imports zennit, and that torchvision
        return pytest.importorskip("quantus")


@pytest.fixture(scope="module")
def net():
    """The ONNX file as a torch module, which is what Quantus evaluates."""
    import torch

    class Net(torch.nn.Module):
        def forward(self, x):
            (logits,) = run(MODEL, {input_name(MODEL): x.detach().numpy()}).values()
            return torch.from_numpy(logits)

    return Net().eval()


@pytest.fixture(scope="module")
def subject():
    return Subject.of(MODEL, sample_images()[:ROWS], boxes=[[[3, 2, 11, 13]]] * ROWS)


@pytest.fixture(scope="module")
def explanation(subject):
    return by_method("gradient", subject)


def ours(name, subject, explanation, variant, **options):
    return METRICS.get(name).function(subject, explanation, **options)[variant]


def theirs(metric, net, subject, maps, **more):
    """Their scores of maps [N, positions]."""
    a = maps.reshape(-1, 1, 16, 16).astype(np.float32)
    batches = {"x_batch": subject.x, "y_batch": subject.target.values, "a_batch": a, **more}
    return np.asarray(metric(model=net, **batches, device="cpu"), np.float64)


def test_sparseness_and_complexity(quantus, net, subject, explanation):
    maps = explanation.reduced("absolute")
    for name, metric in {"sparseness": quantus.Sparseness, "complexity": quantus.Complexity}.items():
        found = theirs(metric(**{**QUIET, "abs": True}), net, subject, maps)
        np.testing.assert_allclose(ours(name, subject, explanation, "").values, found, rtol=1e-3)


@pytest.mark.parametrize("part", ["positive", "absolute"])
def test_localisation(quantus, net, subject, explanation, part):
    masks = subject.masks[:, None].astype(np.float32)
    for name, metric in {
        "pointing-game": quantus.PointingGame,
        "energy-pointing-game": quantus.RelevanceMassAccuracy,
    }.items():
        found = theirs(metric(**QUIET), net, subject, explanation.reduced(part), s_batch=masks)
        np.testing.assert_allclose(ours(name, subject, explanation, part).values, found, rtol=TOLERANCE)


def test_deletion_is_pixel_flipping(quantus, net, subject, explanation):
    flip = quantus.PixelFlipping(features_in_step=STEP, perturb_baseline=0.0, **QUIET)
    found = theirs(flip, net, subject, explanation.reduced("signed"))
    steps = np.arange(STEP, 257, STEP) / 256 * 100
    curve = ours("deletion", subject, explanation, "signed", steps=steps, replace="zero").curve
    np.testing.assert_allclose(curve, found, rtol=1e-3, atol=1e-4)


def test_faithfulness_correlation_within_chance(quantus, net, subject, explanation):
    metric = quantus.FaithfulnessCorrelation(
        nr_runs=600, subset_size=51, perturb_baseline=0.0, return_aggregate=False, **QUIET
    )
    np.random.seed(0)
    found = theirs(metric, net, subject, explanation.reduced("sum"))
    same = {"size": 20, "subsets": 600, "replace": "zero", "score": "softmax"}
    scores = ours("faithfulness-correlation", subject, explanation, "", **same).values
    # Sets are drawn by chance on both sides: the standard error of the difference of two such correlations is 0.06.
    assert np.abs(scores - found).max() < 0.18


def test_explain_func_serves_their_metrics(quantus, net, subject):
    metric = quantus.Sparseness(**{**QUIET, "abs": True})
    found = metric(
        model=net,
        x_batch=subject.x,
        y_batch=subject.target.values,
        explain_func=explain_func,
        explain_func_kwargs={"onnx": subject.model, "method": "input-x-gradient"},
        device="cpu",
    )
    explanation = by_method("input-x-gradient", subject)
    np.testing.assert_allclose(found, ours("sparseness", subject, explanation, "").values, rtol=1e-3)


def test_explain_func_explains_the_targets_it_is_given(subject):
    others = (subject.target.values + 1) % 10
    found = explain_func(subject.model, subject.x, others, method="gradient", device=None)
    wanted = Explanation("other", subject.with_target(others), by_method("gradient", subject).make).planes
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted)
