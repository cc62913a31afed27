"""Correlations of relevance and drop against a slow plain version on a trained network."""

import numpy as np
import pytest

from onnxpath.errors import InputError
from onnxpath.evaluation.explanation import Explanation, by_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.subject import Subject
from tests.evaluation import slow
from tests.models import sample, sample_images

MODEL, ROWS, DRAWS = sample("digits_cnn"), 2, 12


@pytest.fixture(scope="module")
def subject():
    return Subject.of(MODEL, sample_images()[:ROWS])


def plain(subject, relevance, counts, kind):
    """Correlations [rows, counts]; the sets are the first of the orders that the metric draws."""
    rng = np.random.default_rng([0, 3])
    positions = relevance.shape[1]
    points = {(row, count): [] for row in range(ROWS) for count in counts}
    for _ in range(DRAWS):
        places = rng.permuted(np.broadcast_to(np.arange(positions), relevance.shape), axis=1)
        for (row, count), held in points.items():
            gone = [p for p in range(positions) if places[row, p] < count]
            x, target = subject.x[row], int(subject.target.values[row])
            without = slow.without(x, gone, len(gone), [0])
            drop = slow.score(MODEL, x, target, kind) - slow.score(MODEL, without, target, kind)
            held.append((sum(relevance[row, p] for p in gone), drop))
    return np.array(
        [[np.corrcoef(*zip(*points[row, count], strict=True))[0, 1] for count in counts] for row in range(ROWS)]
    )


@pytest.mark.parametrize("kind", ["logit", "softmax"])
def test_sensitivity_n_is_the_slow_one(subject, kind):
    explanation = by_method("input-x-gradient", subject)
    options = {"sizes": (0.1, 5, 40), "subsets": DRAWS, "score": kind}
    found = METRICS.get("sensitivity-n").function(subject, explanation, **options)[""]
    # A tenth of a percent of 256 positions is none, and one is the least.
    wanted = plain(subject, explanation.planes.sum(1), (1, 12, 102), kind)
    np.testing.assert_allclose(found.curve, wanted, atol=1e-3)
    np.testing.assert_allclose(found.values, wanted.mean(1), atol=1e-3)


def test_faithfulness_correlation_is_the_slow_one(subject):
    maps = np.random.default_rng(5).standard_normal((ROWS, 1, 256))
    drawn = Explanation("drawn", subject, lambda s: maps)
    options = {"size": 20, "subsets": DRAWS, "replace": "zero"}
    found = METRICS.get("faithfulness-correlation").function(subject, drawn, **options)[""]
    np.testing.assert_allclose(found.values, plain(subject, maps[:, 0], (51,), "logit")[:, 0], atol=1e-3)


def test_one_subset_has_no_correlation(subject):
    with pytest.raises(InputError, match="at least 2 subsets"):
        METRICS.get("sensitivity-n").function(subject, by_method("gradient", subject), subsets=1)
