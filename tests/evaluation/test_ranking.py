"""On a linear model the right map, chance and the inverted map must come in that order, by every metric that judges."""

import numpy as np
import pytest

from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.registry import HIGHER
from tests.evaluation import linear

# At the few positions of this model the papers' percentages would remove nothing.
OPTIONS = {
    "lerf": {"steps": (10, 30, 60), "replace": "zero", "score": "logit"},
    "morf": {"steps": (10, 30, 60), "replace": "zero", "score": "logit"},
    "deletion": {"replace": "zero", "score": "logit"},
    "insertion": {"replace": "zero", "score": "logit"},
    "road": {"steps": (10, 30, 60), "replace": "zero", "score": "logit"},
    "region-perturbation": {"patch": 2, "replace": "zero", "score": "logit"},
    "region-lerf": {"patch": 2, "replace": "zero", "score": "logit"},
    "sensitivity-n": {"sizes": (20, 50), "subsets": 30},
    "faithfulness-correlation": {"size": 30, "replace": "zero"},
}
CORNER = [[0, 0, 3, 3]]


@pytest.mark.parametrize("name", OPTIONS)
def test_the_right_map_beats_chance_and_chance_beats_the_inverted_map(name):
    subject, weights = linear.subject()
    metric = METRICS.get(name)
    found = {
        kind: next(iter(metric.function(subject, explanation, **OPTIONS[name]).values())).values
        for kind, explanation in linear.explanations(subject, weights).items()
    }
    sign = 1 if metric.better == HIGHER else -1
    # In every row, not on average.
    assert (sign * found["perfect"] > sign * found["random"]).all()
    assert (sign * found["random"] > sign * found["inverted"]).all()


def test_correlations_of_the_right_map_are_one():
    subject, weights = linear.subject()
    maps = linear.explanations(subject, weights)
    for name in ("sensitivity-n", "faithfulness-correlation"):
        options = {**OPTIONS[name], "replace": "zero"}
        right = METRICS.get(name).function(subject, maps["perfect"], **options)[""]
        wrong = METRICS.get(name).function(subject, maps["inverted"], **options)[""]
        np.testing.assert_allclose(right.values, 1, atol=1e-4)
        np.testing.assert_allclose(wrong.values, -1, atol=1e-4)


def test_localisation_of_a_map_that_is_the_object():
    subject, _ = linear.subject(boxes=[CORNER] * linear.ROWS)
    inside = subject.masks.reshape(linear.ROWS, 1, -1).astype(float)
    noise = np.random.default_rng(0).uniform(0, 1, inside.shape)
    for name in METRICS.names():
        metric = METRICS.get(name)
        if not {"masks", "boxes"} & set(metric.needs):
            continue
        found = {}
        for kind, maps in {"object": inside + 1e-6, "random": noise, "outside": 1 - inside + 1e-6}.items():
            explanation = linear.Explanation(kind, subject, lambda s, m=maps: m)
            found[kind] = list(metric.function(subject, explanation).values())[-1].values.mean()
        sign = 1 if metric.better == HIGHER else -1
        assert sign * found["object"] > max(sign * found["random"], sign * found["outside"]), name
        # The box around everything outside is the whole picture, which overlaps with every object.
        assert name == "box-iou" or sign * found["random"] > sign * found["outside"], name
