"""Degradation against a slow plain version, and against what a linear model must give."""

import math

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from onnxpath.evaluation.explanation import Explanation, by_method
from onnxpath.evaluation.filters import gaussian
from onnxpath.evaluation.impute import impute
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.metrics.regions import patches
from onnxpath.evaluation.order import counts, places
from onnxpath.evaluation.perturbed import degraded
from onnxpath.evaluation.replacement import REPLACEMENTS
from onnxpath.evaluation.subject import Subject
from tests.evaluation import linear, slow
from tests.models import input_name, mlp, parse, run, sample, sample_images

PERCENTS = (1, 5, 10, 35)
MODEL = sample("digits_cnn")


def measure(name, subject, explanation, **options):
    return METRICS.get(name).function(subject, explanation, **options)


@pytest.fixture(scope="module")
def coloured():
    """A model of three channels, its rows and a map with all signs."""
    made, _ = linear.model(channels=3, seed=4)
    subject = Subject.of(made, linear.inputs(channels=3, seed=5, rows=3))
    maps = np.random.default_rng(6).standard_normal(subject.x.shape)
    return made, subject, Explanation("drawn", subject, lambda s: maps), maps


@pytest.mark.parametrize("score", ["softmax", "logit"])
@pytest.mark.parametrize(("name", "most_first"), [("lerf", False), ("morf", True)])
def test_lerf_and_morf_are_the_slow_ones(coloured, name, most_first, score):
    made, subject, explanation, maps = coloured
    found = measure(name, subject, explanation, steps=PERCENTS, score=score)
    rankings = {"signed": maps.max(1), "absolute": np.abs(maps).sum(1)}
    mean = subject.x.mean((0, 2, 3))
    for variant, ranking in rankings.items():
        for row, x in enumerate(subject.x):
            target = int(subject.target.values[row])
            wanted = slow.relative_changes(made, x, target, ranking[row], PERCENTS, mean, most_first, score)
            np.testing.assert_allclose(found[variant].curve[row], [0, *wanted], rtol=1e-4, atol=1e-6)
            area = slow.trapezoid([0, *wanted], [0, *PERCENTS]) / 100
            assert found[variant].values[row] == pytest.approx(area, rel=1e-4, abs=1e-8)


def test_degradation_of_a_trained_network_is_the_slow_one():
    x = sample_images()[:2]
    subject = Subject.of(sample("digits_cnn"), x)
    explanation = by_method("gradient", subject)
    found = measure("lerf", subject, explanation, steps=(3, 20), replace="zero")["absolute"]
    ranking = np.abs(explanation.planes).sum(1).reshape(2, 16, 16)
    for row in range(2):
        target = int(subject.target.values[row])
        wanted = slow.relative_changes(sample("digits_cnn"), x[row], target, ranking[row], (3, 20), [0], False)
        np.testing.assert_allclose(found.curve[row, 1:], wanted, rtol=1e-3, atol=1e-6)


def test_deletion_and_insertion_by_hand():
    subject, weights = linear.subject()
    explanation = linear.explanations(subject, weights)["perfect"]
    options = {"steps": (0, 25, 100), "replace": "zero", "score": "logit"}
    maps = np.sort(explanation.planes[:, 0])[:, ::-1]
    bias = subject.target.score(subject.logits) - maps.sum(1)
    kept = np.stack([maps.sum(1), maps[:, 9:].sum(1), np.zeros(len(maps))], 1) + bias[:, None]
    shown = np.stack([np.zeros(len(maps)), maps[:, :9].sum(1), maps.sum(1)], 1) + bias[:, None]
    for name, wanted in {"deletion": kept, "insertion": shown}.items():
        found = measure(name, subject, explanation, **options)["signed"]
        np.testing.assert_allclose(found.curve, wanted, rtol=1e-4)
        by_hand = [slow.trapezoid(row, (0, 25, 100)) / 100 for row in wanted]
        np.testing.assert_allclose(found.values, by_hand, rtol=1e-4)


@pytest.mark.parametrize(("name", "turn"), [("region-perturbation", -1), ("region-lerf", 1)])
def test_regions_by_hand(name, turn):
    subject, weights = linear.subject()
    explanation = linear.explanations(subject, weights)["perfect"]
    options = {"patch": 2, "regions": 3, "replace": "zero", "score": "logit"}
    found = measure(name, subject, explanation, **options)["signed"]
    blocks = explanation.planes.reshape(-1, 3, 2, 3, 2).sum((2, 4)).reshape(-1, 9)
    gone = np.cumsum(np.sort(blocks)[:, ::turn][:, :3], axis=1)
    np.testing.assert_allclose(found.curve, np.concatenate([np.zeros((8, 1)), gone], 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.values, gone.sum(1) / 4, rtol=1e-4)


def test_patches_count_over_any_axes_and_the_last_may_be_smaller():
    assert patches((3, 5), 2).reshape(3, 5).tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]
    assert patches((5,), 3).tolist() == [0, 0, 0, 1, 1]


def test_road_keeps_predictions_that_nothing_touches():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:3])
    found = measure("road", subject, by_method("gradient", subject), steps=(10, 90))
    for measured in found.values():
        assert measured.curve[:, 0].tolist() == [1, 1, 1]
        assert set(np.unique(measured.curve)) <= {0, 1}


def test_road_is_the_slow_one():
    x = sample_images()[:4]
    subject = Subject.of(sample("digits_cnn"), x)
    explanation = by_method("gradient", subject)
    at = (10, 25, 40)
    found = measure("road", subject, explanation, steps=at, replace="zero")
    for variant, ranking in {
        "signed": explanation.planes.max(1),
        "absolute": np.abs(explanation.planes).sum(1),
    }.items():
        for row in range(4):
            order = slow.ordered(ranking[row].reshape(16, 16), most_first=True)
            changed = [slow.without(x[row], order, math.floor(q * 256 / 100), [0]) for q in (0, *at)]
            logits = [run(MODEL, {input_name(MODEL): one[None]}).popitem()[1] for one in changed]
            kept = [float(values.argmax() == subject.target.values[row]) for values in logits]
            assert found[variant].curve[row].tolist() == kept
            assert found[variant].values[row] == pytest.approx(slow.trapezoid(kept, (0, *at)) / 40)
    assert 0 < found["absolute"].curve[:, 1:].mean() < 1


def test_places_rank_with_ties_in_reading_order():
    ranking = np.array([[0.5, 2.0, 0.5, -1.0]])
    assert places(ranking, most_first=True).tolist() == [[1, 0, 2, 3]]
    assert places(ranking, most_first=False).tolist() == [[1, 3, 2, 0]]
    halves = np.arange(5000)[None] % 2  # long enough for sorting algorithms that do not keep ties in order
    wanted = np.where(halves, 2500, 0) + np.arange(5000) // 2
    assert np.array_equal(places(halves.astype(float), most_first=False), wanted)


def test_counts_are_rounded_down_and_not_by_floating_point():
    assert counts([1, 2.5, 10], 1024) == [10, 25, 102]
    assert counts([0.7, 29], 1000) == [7, 290]  # 0.07 · 100 is 7.000000000000001, 0.29 · 100 is 28.999999999999996
    for wrong in ([], [5, 5], [10, 1], [-1], [101]):
        with pytest.raises(InputError, match="ascending"):
            counts(wrong, 10)


def test_channels_last_is_the_same_picture():
    made, _ = linear.model(channels=3, seed=4)
    from tests.models import parse

    arrays = {t.name: np.frombuffer(t.raw_data, np.float32).reshape(t.dims) for t in made.graph.initializer}
    text = (
        "last (float[n, 6, 6, 3] x) => (float[n, 3] y) "
        "{ t = Transpose<perm = [0, 3, 1, 2]>(x); f = Flatten(t); y = Gemm<transB = 1>(f, W, b) }"
    )
    x = linear.inputs(channels=3, seed=5, rows=3)
    first = Subject.of(made, x)
    last = Subject.of(parse(text, **arrays), np.moveaxis(x, 1, -1), channels="last")
    for name in ("lerf", "insertion"):
        a = measure(name, first, by_method("input-x-gradient", first))["signed"]
        b = measure(name, last, by_method("input-x-gradient", last))["signed"]
        np.testing.assert_allclose(a.values, b.values, rtol=1e-5)


def test_tables_have_features_for_positions():
    subject = Subject.of(mlp(), np.random.default_rng(0).standard_normal((4, 6)))
    assert subject.layout.channels == "none" and subject.layout.positions == 6
    found = measure("deletion", subject, by_method("gradient", subject), steps=(0, 50, 100))["absolute"]
    assert found.curve.shape == (4, 3)
    with pytest.raises(InputError, match="no neighbours"):
        measure("deletion", subject, by_method("gradient", subject), replace="blur")


@pytest.mark.parametrize("replace", REPLACEMENTS.names())
def test_replacements_leave_the_rest_alone(replace):
    made, _ = linear.model(channels=3, side=8)
    subject = Subject.of(made, linear.inputs(channels=3, side=8, rows=2))
    gone = np.zeros((1, 64), bool)
    gone[0, [3, 9, 10, 40]] = True
    filled = np.broadcast_to(REPLACEMENTS.get(replace)(subject)(1, gone), (1, 3, 64))
    assert filled.dtype == np.float32 and np.isfinite(filled).all()
    low, high = subject.planes.min(), subject.planes.max()
    if replace not in ("zero", "linear"):
        assert low <= filled.min() and filled.max() <= high
    if replace == "mean":
        np.testing.assert_allclose(filled[0, :, 0], subject.x.mean((0, 2, 3)), rtol=1e-5)
    if replace == "blur":
        assert filled[0] == pytest.approx(gaussian(subject.x[1], 0.5).reshape(3, 64), abs=1e-6)
    if replace == "linear":
        noise = filled - impute(subject.planes[1], gone[0], (8, 8))
        spread = subject.planes.std((0, 2))
        assert (noise.std(2) / spread == pytest.approx(0.1, rel=0.3)) and noise.std(2).all()
    if replace == "uniform":
        assert np.array_equal(filled, np.broadcast_to(REPLACEMENTS.get(replace)(subject)(1, gone), (1, 3, 64)))


def test_a_batch_is_its_rows_alone():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:5])
    order = places(by_method("gradient", subject).reduced("signed"), True)
    together = degraded(subject, order, [3, 50], "zero", "softmax")
    for row in range(5):
        alone = degraded(subject.take(np.array([row])), order[row : row + 1], [3, 50], "zero", "softmax")
        np.testing.assert_allclose(alone, together[row : row + 1], rtol=1e-4)


@pytest.mark.parametrize("replace", REPLACEMENTS.names())
def test_how_rows_are_cut_into_runs_changes_nothing(replace):
    subjects = [
        Subject.of(onnxpath.load(sample("digits_cnn"), memory=memory), sample_images()[:4]) for memory in (1, 1 << 30)
    ]
    order = places(by_method("gradient", subjects[0]).reduced("signed"), True)
    one_by_one, together = (degraded(subject, order, [3, 50, 99], replace, "softmax") for subject in subjects)
    np.testing.assert_allclose(one_by_one, together, rtol=1e-4)


def test_road_begins_with_the_whole_input_whether_that_is_asked_for_or_not():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:2])
    explanation = by_method("gradient", subject)
    found = [measure("road", subject, explanation, steps=steps)["signed"] for steps in ((0, 20, 50), (20, 50))]
    assert found[0].at == found[1].at == [0, 20, 50]
    np.testing.assert_array_equal(found[0].curve, found[1].curve)


def test_a_row_whose_score_is_zero_has_no_relative_change_and_spoils_no_curve():
    model = parse("flat (float[n, 1, 4, 4] x) => (float[n, 16] y) { f = Flatten(x); y = Relu(f) }")
    x = np.random.default_rng(0).normal(size=(4, 1, 4, 4)).astype(np.float32)
    x[2] = -1
    asked = {"score": "logit", "replace": "zero", "steps": (10, 50)}
    whole = onnxpath.evaluate(model, x, ["gradient"], ["morf"], **asked).scores[0]
    without = onnxpath.evaluate(model, np.delete(x, 2, 0), ["gradient"], ["morf"], **asked).scores[0]
    assert whole.values[2] is None and [v for v in whole.values if v is not None] == without.values
    assert whole.curve == without.curve and np.isfinite(whole.curve.mean).all()


def test_patches_fit_flat_rows_by_default():
    text = "flat (float[n, 1, 2, 64] x) => (float[n, 64] y) { y = ReduceMean<keepdims = 0>(x, axes) }"
    subject = Subject.of(parse(text, axes=np.array([1, 2])), np.random.default_rng(0).random((2, 1, 2, 64), np.float32))
    found = measure("region-perturbation", subject, by_method("gradient", subject))["signed"]
    assert found.along == "patches of 2 removed" and len(found.at) == 1 + round(0.3 * 32)


@pytest.mark.parametrize(
    "name", ["lerf", "morf", "road", "deletion", "insertion", "region-perturbation", "region-lerf"]
)
def test_rankings_of_one_order_are_measured_once(name):
    subject, weights = linear.subject()
    maps = linear.explanations(subject, weights)
    positive, signed = (measure(name, subject, maps[kind], replace="zero") for kind in ("perfect", "random"))
    assert positive["signed"] is positive["absolute"]
    assert signed["signed"] is not signed["absolute"]


def test_nothing_removed_changes_nothing_and_insertion_is_deletion_from_the_other_end():
    subject, weights = linear.subject()
    order = places(linear.explanations(subject, weights)["random"].reduced("signed"), True)
    whole = subject.target.score(subject.logits)
    np.testing.assert_allclose(degraded(subject, order, [0], "mean", "logit")[:, 0], whole, rtol=1e-5)
    np.testing.assert_allclose(degraded(subject, order, [36], "mean", "logit", inserting=True)[:, 0], whole, rtol=1e-5)
    gone = degraded(subject, order, [36], "mean", "logit")
    np.testing.assert_allclose(gone, degraded(subject, order, [0], "mean", "logit", inserting=True), rtol=1e-5)


def test_what_is_refused():
    subject, weights = linear.subject()
    explanation = linear.explanations(subject, weights)["perfect"]
    with pytest.raises(UnknownName, match="did you mean 'mean'"):
        measure("lerf", subject, explanation, replace="maen")
    with pytest.raises(UnknownName, match="did you mean 'softmax'"):
        measure("lerf", subject, explanation, score="sofmax")
    with pytest.raises(InputError, match="patches of 9 do not fit rows of 6×6"):
        measure("region-perturbation", subject, explanation, patch=9)


@pytest.mark.parametrize("metric", ["lerf", "morf"])
def test_percentages_of_few_positions_that_remove_none_are_not_measured(metric):
    """A table of four features has no tenth of one."""
    w = np.arange(12, dtype=np.float32).reshape(4, 3)
    model, x = parse("m (float[n, 4] x) => (float[n, 3] y) { y = MatMul(x, w) }", w=w), np.eye(4, dtype=np.float32)
    with pytest.raises(InputError, match=r"10 % of 4 positions is none.*; give larger steps \(--metric-option steps="):
        onnxpath.evaluate(model, x, ["gradient"], [metric])
    assert onnxpath.evaluate(model, x, ["gradient"], [metric], steps=(10, 25)).scores
