"""Infidelity, max-sensitivity, concentration and randomised logit, by hand and against slow plain versions."""

import numpy as np
import pytest

from onnxpath.evaluation.baselines import BASELINES
from onnxpath.evaluation.explanation import Explanation, by_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.similarity import spearman_absolute
from onnxpath.evaluation.subject import Subject
from tests.evaluation import linear, slow
from tests.models import sample, sample_images

MODEL = sample("digits_cnn")


def measure(name, subject, explanation, **options):
    return METRICS.get(name).function(subject, explanation, **options)


def given(subject, maps):
    return Explanation("hand", subject, lambda s: np.broadcast_to(maps, s.x.shape))


def test_the_gradient_of_a_linear_model_foresees_everything_at_any_scale():
    subject, weights = linear.subject()
    gradient = weights[subject.target.values]
    noise = np.random.default_rng(0).standard_normal(gradient.shape)
    found = {
        kind: measure("infidelity", subject, given(subject, maps))[""].values
        for kind, maps in {"right": 3 * gradient, "random": noise, "inverted": -gradient}.items()
    }
    np.testing.assert_allclose(found["right"], 0, atol=1e-5)
    np.testing.assert_allclose(found["inverted"], 1)
    assert (found["random"] <= 1).all() and 0.5 < found["random"].mean() < 1


def test_infidelity_is_the_slow_one():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:2])
    explanation = by_method("gradient", subject)
    found = measure("infidelity", subject, explanation, noise=0.2, draws=6)[""].values
    draws = [np.random.default_rng([0, 4, draw]).standard_normal((2, 1, 256)) for draw in range(6)]
    for row, x in enumerate(subject.x):
        target = int(subject.target.values[row])
        pushes = [0.2 * subject.x.std() * drawn[row].reshape(1, 16, 16) for drawn in draws]
        forecast = np.array([(push.ravel() * explanation.planes[row, 0]).sum() for push in pushes])
        moved = [(x - push).astype(np.float32) for push in pushes]
        change = np.array(
            [slow.score(MODEL, x, target, "logit") - slow.score(MODEL, m, target, "logit") for m in moved]
        )
        factors = np.linspace(0, 3, 3001)
        errors = ((factors[:, None] * forecast - change) ** 2).mean(1)
        assert errors.argmin() < 3000
        assert found[row] == pytest.approx(errors.min() / (change**2).mean(), abs=1e-3)


def test_max_sensitivity_is_the_slow_one():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:2])
    explanation = by_method("gradient", subject)
    found = measure("max-sensitivity", subject, explanation, radius=0.3, draws=4)[""].values
    largest = [0.0, 0.0]
    for draw in range(4):
        pushed = 0.3 * subject.x.std() * np.random.default_rng([0, 5, draw]).uniform(-1, 1, (2, 1, 256))
        for row in range(2):
            one = Subject.of(MODEL, subject.x[row : row + 1] + pushed[row].reshape(1, 1, 16, 16).astype(np.float32))
            aimed = one.with_target(subject.target.values[row : row + 1])
            gap = by_method("gradient", aimed).planes[0] - explanation.planes[row]
            largest[row] = max(largest[row], np.sqrt((gap**2).sum() / (explanation.planes[row] ** 2).sum()))
    np.testing.assert_allclose(found, largest, rtol=1e-3)


def test_the_gradient_of_a_linear_model_holds_still_and_its_product_with_the_input_moves_as_that_does():
    subject, weights = linear.subject()
    still = measure("max-sensitivity", subject, by_method("gradient", subject))[""].values
    np.testing.assert_allclose(still, 0, atol=1e-6)
    moved = measure("max-sensitivity", subject, by_method("input-x-gradient", subject), radius=0.1, draws=200)[""]
    # |δ·w| / |x·w| with every |δ| at its largest, 0.1 standard deviations, bounds it.
    w = weights[subject.target.values].reshape(subject.rows, -1)
    bound = 0.1 * subject.x.std() * np.linalg.norm(w, axis=1) / np.linalg.norm(w * subject.planes[:, 0], axis=1)
    assert (moved.values < bound * 1.001).all() and (moved.values > 0.5 * bound).all()


def test_concentration_of_one_position_and_of_all():
    subject, _ = linear.subject()
    one, even = np.zeros(subject.x.shape), np.ones(subject.x.shape)
    one[:, 0, 2, 3] = -4
    count = subject.layout.positions
    assert measure("sparseness", subject, given(subject, one))[""].values == pytest.approx(1 - 1 / count)
    assert measure("sparseness", subject, given(subject, even))[""].values == pytest.approx(0)
    assert measure("complexity", subject, given(subject, one))[""].values == pytest.approx(0)
    assert measure("complexity", subject, given(subject, even))[""].values == pytest.approx(np.log(count))
    assert np.isnan(measure("complexity", subject, given(subject, 0 * one))[""].values).all()


def test_another_class_has_another_map_and_the_edges_are_the_same():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:6])
    assert (measure("random-logit", subject, by_method("gradient", subject))["spearman"].values < 0.9).all()
    edges = measure("random-logit", subject, BASELINES.get("edges").on(subject))
    assert edges["ssim"].values == pytest.approx(1)


def test_every_draw_is_another_class_and_their_similarities_are_averaged():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:4])
    explanation = by_method("gradient", subject)
    asked = []

    def make(given):
        asked.append(given.target.values)
        return explanation.make(given)

    found = measure("random-logit", subject, Explanation("asked", subject, make), draws=3)["spearman-absolute"].values
    original, *others = asked
    assert len(others) == 3 and all((drawn != original).all() for drawn in others)
    assert np.array_equal(original, subject.target.values)
    wanted = np.zeros(4)
    for drawn in others:
        maps = explanation.again(subject.with_target(drawn))
        wanted += [spearman_absolute(a, b) / 3 for a, b in zip(explanation.planes[:, 0], maps[:, 0], strict=True)]
    np.testing.assert_allclose(found, wanted)
