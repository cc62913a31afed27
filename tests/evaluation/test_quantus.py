"""Quantus on the same arrays, and onnxpath as its explain_func."""

import warnings

import numpy as np
import pytest

from onnxpath.evaluation.explanation import Explanation, by_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.quantus import explain_func
from onnxpath.evaluation.similarity import pearson
from onnxpath.evaluation.subject import Subject
from tests.models import input_name, run, sample, sample_images

pytestmark = [pytest.mark.needs("quantus", "torch"), pytest.mark.filterwarnings("ignore")]

MODEL, ROWS, STEP = sample("digits_cnn"), 6, 16
STEPS = (np.arange(STEP, 257, STEP) / 256 * 100).tolist()
TOLERANCE = 1e-4  # relative; docs/results/evaluation.md says how close they are
QUIET = {"disable_warnings": True, "normalise": False, "abs": False}


@pytest.fixture(scope="module")
def quantus():
    from tests.exporters.torchvision_stub import declare_operators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        declare_operators()  # Quantus imports zennit, and that torchvision
        import quantus

        return quantus


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
        np.testing.assert_allclose(ours(name, subject, explanation, "").values, found, rtol=TOLERANCE)


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
    curve = ours("deletion", subject, explanation, "signed", steps=STEPS, replace="zero").curve
    np.testing.assert_allclose(curve, found, rtol=TOLERANCE, atol=1e-6)


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


ZERO = {"replace": "zero"}
SERVED = {
    "sparseness": ("", {}, lambda q, how: q.Sparseness(**how)),
    "complexity": ("", {}, lambda q, how: q.Complexity(**how)),
    "pointing-game": ("absolute", {}, lambda q, how: q.PointingGame(**how)),
    "energy-pointing-game": ("absolute", {}, lambda q, how: q.RelevanceMassAccuracy(**how)),
    "deletion": (
        *("absolute", ZERO | {"steps": STEPS}),
        lambda q, how: q.PixelFlipping(features_in_step=STEP, perturb_baseline=0.0, **how),
    ),
    "region-perturbation": (
        *("absolute", ZERO | {"patch": 4, "regions": 5}),
        lambda q, how: q.RegionPerturbation(patch_size=4, regions_evaluation=5, perturb_baseline=0.0, **how),
    ),
}
"""Our metric -> the variant that theirs is, its options, and theirs."""


@pytest.mark.parametrize("name", SERVED)
def test_explain_func_serves_their_metrics(quantus, net, subject, name):
    """They call it for the maps, and what they make of them is what we measure of the method."""
    variant, options, made = SERVED[name]
    found = made(quantus, QUIET | {"abs": True})(
        model=net,
        x_batch=subject.x,
        y_batch=subject.target.values,
        s_batch=subject.masks[:, None],
        explain_func=explain_func,
        explain_func_kwargs={"onnx": subject.model, "method": "input-x-gradient"},
        device="cpu",
    )
    measured = ours(name, subject, by_method("input-x-gradient", subject), variant, **options)
    # Of a curve they do not return the place where nothing is removed.
    wanted = measured.values if measured.curve is None else measured.curve[:, -np.shape(found)[1] :]
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=1e-6)


def test_explain_func_is_called_again_for_other_inputs_and_classes(quantus, net, subject):
    given = {
        "model": net,
        "x_batch": subject.x,
        "y_batch": subject.target.values,
        "explain_func": explain_func,
        "explain_func_kwargs": {"onnx": subject.model, "method": "gradient"},
        "device": "cpu",
    }
    original = by_method("gradient", subject)

    def shifted(arr, indices, **kwargs):
        return arr + np.float32(0.05)

    still = {"nr_samples": 1, "return_nan_when_prediction_changes": False}
    metric = quantus.MaxSensitivity(perturb_func=shifted, **still, **QUIET)
    moved = original.again(subject.with_x(subject.x + np.float32(0.05)))
    wanted = np.linalg.norm((moved - original.planes)[:, 0], axis=1) / np.linalg.norm(original.planes[:, 0], axis=1)
    np.testing.assert_allclose(metric(**given), wanted, rtol=TOLERANCE)
    metric = quantus.RandomLogit(num_classes=10, seed=3, similarity_func=quantus.correlation_pearson, **QUIET)
    found = metric(**given)
    maps = [original.again(subject.with_target(np.full(ROWS, k)))[:, 0] for k in range(10)]
    others = [[pearson(a, b) for a, b in zip(original.planes[:, 0], of, strict=True)] for of in maps]
    # Theirs is the correlation with one of the other classes.
    for row, value in enumerate(found):
        known = [others[k][row] for k in range(10) if k != subject.target.values[row]]
        assert np.abs(np.array(known) - value).min() < 1e-4


def test_explain_func_explains_the_targets_it_is_given(subject):
    others = (subject.target.values + 1) % 10
    found = explain_func(subject.model, subject.x, others, method="gradient", device=None)
    wanted = Explanation("other", subject.with_target(others), by_method("gradient", subject).make).planes
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted)
