"""Intervals and verdicts by hand, and what a result is written as."""

import csv
import io
import json

import numpy as np
import pytest

from onnxpath.evaluation.bootstrap import band, interval, paired
from onnxpath.evaluation.result import COLUMNS, Evaluation, Score
from onnxpath.evaluation.verdicts import judged


def score(method, values, better="lower", baseline=False, metric="m", variant="v"):
    found = interval(np.asarray(values, float), 500, 0)
    kept = [None if np.isnan(v) else float(v) for v in values]
    return Score(
        metric, variant, method, baseline, better, found.mean, found.low, found.high, found.rows, kept, {"a": 1}, 0.5
    )


def test_intervals_are_those_of_the_normal_approximation_where_that_holds():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = interval(values, 2000, 0)
    error = values.std() / 20
    assert found.mean == pytest.approx(values.mean()) and found.rows == 400
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_intervals_leave_out_what_is_not_there():
    found = interval(np.array([1.0, np.nan, 3.0]), 200, 0)
    assert (found.mean, found.rows) == (2, 2)
    assert interval(np.array([np.nan]), 200, 0).rows == 0
    one = interval(np.array([5.0]), 200, 0)
    assert (one.low, one.high) == (5, 5)


def test_small_scores_are_told_apart_in_the_text():
    """Changes of a score by a thousandth and less are what degradation of a confident network gives."""
    text = Evaluation([score("a", [2.34567e-5] * 2), score("b", [123.456] * 2)], 2, 0, 50, {}, []).to_text()
    assert "2.35e-05  [2.35e-05, 2.35e-05]" in text and "123  [123, 123]" in text


def test_pairs_decide_what_intervals_alone_would_not():
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 10, 50)
    a, b = rows, rows + rng.normal(0.5, 0.1, 50)
    assert interval(a, 500, 0).high > interval(b, 500, 0).low
    assert paired(a, b, 500, 0).high < 0


def test_bands_are_intervals_at_every_place():
    curves = np.random.default_rng(2).normal(0, 1, (30, 4))
    mean, low, high = band(curves, 500, 3)
    for place in range(4):
        found = interval(curves[:, place], 500, 3)
        assert (mean[place], low[place], high[place]) == pytest.approx((found.mean, found.low, found.high))


RNG = np.random.default_rng(3)
BASE = RNG.normal(1, 0.1, 40)
SCORES = [
    score("good", BASE),
    score("as-good", BASE + RNG.normal(0, 0.05, 40)),
    score("bad", BASE + 1),
    score("edges", BASE + 0.5, baseline=True),
    score("noise", BASE + 2, baseline=True),
]


def test_verdicts():
    good, as_good, bad, edges, _ = judged(SCORES, 500, 0)
    assert {good.against_best, as_good.against_best} == {"best", "undecided"} and bad.against_best == "behind"
    assert (good.against_baseline, good.baseline_named) == ("better", "edges")
    assert bad.against_baseline == "worse" and edges.against_best == edges.against_baseline == ""


def test_higher_is_better_where_a_metric_says_so():
    found = judged([score(s.method, s.values, "higher", s.baseline) for s in SCORES], 500, 0)
    assert {s.method: s.against_best for s in found}["bad"] == "best"
    assert {s.method: s.against_baseline for s in found}["bad"] == "worse"
    assert {s.method: s.baseline_named for s in found}["bad"] == "noise"


def test_metrics_that_do_not_judge_give_no_verdict():
    assert not any(s.against_best for s in judged([score("a", [1, 2], ""), score("b", [3, 4], "")], 100, 0))


def test_rows_without_a_value_are_left_out_of_pairs():
    found = judged([score("a", [1, 1, np.nan]), score("b", [2, 2, 0])], 100, 0)
    assert [s.against_best for s in found] == ["best", "behind"]


def test_a_method_that_equals_a_baseline_is_undecided():
    found = judged([score("a", [1, 2, 3]), score("same", [1, 2, 3], baseline=True)], 100, 0)
    assert found[0].against_baseline == "undecided"


def test_what_is_written():
    scores = [*judged(SCORES, 200, 0), score("good", [np.nan, np.nan], metric="other", variant="")]
    result = Evaluation(scores, rows=40, seed=0, samples=200, skipped=["cam: no convolution"])
    plain = json.loads(result.to_json(), parse_constant=pytest.fail)
    assert plain["rows"] == 40 and plain["scores"][-1]["mean"] is None and plain["skipped"] == ["cam: no convolution"]
    lines = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert tuple(lines[0]) == COLUMNS and len(lines) == 6
    assert [line["method"] for line in lines[:5]][-2:] == ["edges", "noise"]
    text = str(result)
    assert "m, v (lower is better)" in text and "undecided against the best" in text
    assert "worse than baseline edges" in text and "n/a: no row has a value" in text
