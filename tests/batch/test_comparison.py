"""Numbers of comparisons against scipy, against sets counted one by one, and by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest, rankdata, spearmanr

from onnxpath.batch.comparison import Comparison, LayerPair, compared
from onnxpath.batch.likeness import likeness, ranks, relative_difference
from onnxpath.batch.matching import match_layers
from onnxpath.errors import InputError
from onnxpath.report.compared import ClassChange, Turn, float_nodes, mcnemar, summarise_comparison
from onnxpath.report.spread import wilson
from tests.pathway.analyses.made import drawn, neurons

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_likeness_is_that_of_scipy(ties):
    a, b = RNG.normal(size=(2, 3, 8, 8))
    if ties:
        a, b = np.maximum(a, 0), np.round(b)
    found = likeness(a, b)
    assert found.spearman == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert found.cosine == pytest.approx(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))
    np.testing.assert_allclose(ranks(a.ravel()), rankdata(a.ravel()) - 1)


def test_likeness_of_a_map_without_direction_is_undefined():
    assert likeness(np.zeros(5), np.ones(5)).cosine is None and likeness(np.ones(5), np.arange(5)).spearman is None
    same = RNG.normal(size=9)
    assert likeness(same, 3 * same).cosine == pytest.approx(1) and likeness(same, same**3).spearman == pytest.approx(1)


def test_relative_difference_by_hand():
    assert relative_difference(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0
    assert relative_difference(np.zeros(2), np.zeros(2)) == 0
    assert relative_difference(np.array([3.0, 4.0]), np.zeros(2)) == 1
    assert relative_difference(np.array([3.0, 0.0]), np.array([-3.0, 0.0])) == 2
    assert relative_difference(np.array([0.0, 10.0]), np.array([0.0, 9.0])) == pytest.approx(0.1)


A, B, C = (4, 8, 8), (8, 4, 4), (16,)


@pytest.mark.parametrize(
    ("one", "other", "pairs", "left"),
    [
        # Names decide where they keep their order.
        ([("a", A), ("b", A), ("c", C)], [("a", A), ("b", A), ("c", C)], "aa bb cc", ([], [])),
        # A layer that one model lacks shifts nothing.
        ([("a", A), ("b", A), ("c", C)], [("a", A), ("c", C)], "aa cc", (["b"], [])),
        # Other names: order and shape.
        ([("a", A), ("b", B), ("c", C)], [("x", A), ("y", B), ("z", C)], "ax by cz", ([], [])),
        ([("a", A), ("b", B), ("c", C)], [("x", A), ("z", C)], "ax cz", (["b"], [])),
        # Names that were given anew, in another order, mean nothing.
        ([("1", A), ("2", A), ("3", C)], [("2", A), ("1", A), ("3", C)], "12 21 33", ([], [])),
        ([("1", A), ("2", A), ("3", A)], [("2", A), ("3", A), ("4", A)], "12 23 34", ([], [])),
        # One name with another shape is no partner.
        ([("a", A), ("b", B)], [("a", B), ("b", C)], "ba", (["a"], ["b"])),
        # Some by name, the rest by order.
        ([("a", A), ("b", B), ("c", C)], [("x", A), ("b", B), ("z", C)], "ax bb cz", ([], [])),
        ([("a", A)], [("x", C)], "", (["a"], ["x"])),
        ([], [("x", C)], "", ([], ["x"])),
    ],
)
def test_layers_are_matched(one, other, pairs, left):
    found = match_layers(one, other)
    assert [one[i][0] + other[j][0] for i, j, _ in found.pairs] == pairs.split()
    assert (list(found.left_one), list(found.left_other)) == left
    assert all(one[i][0] == other[j][0] for i, j, by in found.pairs if by == "name")
    assert one[:1] != [("1", A)] or {by for _, _, by in found.pairs} == {"order and shape"}


def test_names_win_where_shapes_would_cross():
    one = [("p", C), ("b", A), ("q", B)]
    other = [("y", B), ("b", A), ("x", C)]
    found = match_layers(one, other)
    assert [(one[i][0], other[j][0]) for i, j, _ in found.pairs] == [("b", "b")]


PAIRS = (LayerPair("a", "x", "order and shape", ("conv1",)), LayerPair("b", "y", "order and shape", ("conv2", "fc")))


def row(seed=0, logits=((3.0, 1.0, 0.0), (2.0, 1.5, 0.0)), targets=(0, 0), differences=(0.01, 0.2), label=None):
    one = drawn(seed)
    other = drawn(seed + 99, shapes=(("x", (3, 4, 4)), ("y", (7,))))
    maps = {"gradient": RNG.normal(size=(2, 6))}
    pair = tuple(np.array(v) for v in logits)
    return (
        one,
        other,
        compared(
            f"row{seed}", label, pair, targets, (one, other), PAIRS, {k: tuple(v) for k, v in maps.items()}, differences
        ),
    )


def test_one_input_by_hand():
    one, other, found = row(logits=((3.0, 1.0, 0.0), (1.0, 1.5, 0.0)))
    names = {"x": "a", "y": "b"}
    theirs = {(names[layer], index) for layer, index in neurons(other.masks)}
    assert found.overlap == pytest.approx(len(neurons(one.masks) & theirs) / len(neurons(one.masks) | theirs))
    assert not found.agree and found.one.prediction == 0 and found.other.prediction == 1
    assert found.one.margin == pytest.approx(2) and found.other.margin == pytest.approx(-0.5)
    assert found.one.softmax == pytest.approx(np.exp(3) / (np.exp(3) + np.e + 1))
    assert found.logits == pytest.approx(np.hypot(2, 0.5) / np.hypot(3, 1))


def test_sizes_that_differ():
    one, other, _ = row()
    logits, maps = (np.ones(3), np.ones(4)), {"gradient": (np.ones(3), np.ones(3))}
    with pytest.raises(InputError, match="row: the output has 3 values in one and 4 in the other"):
        compared("row", None, logits, (0, 0), (one, other), PAIRS, maps)
    with pytest.raises(InputError, match="use one input size"):
        compared("row", None, (np.ones(3),) * 2, (0, 0), (one, other), (LayerPair("a", "y", "name"),), maps)


def comparison(rows, **more):
    return Comparison("A", "B", PAIRS, (), (), 0.05, tuple(rows), **more)


def test_summary_by_hand():
    lost = row(1, ((3.0, 1.0, 0.0), (1.0, 1.5, 0.0)), label=0, differences=(0.02, 0.3))[2]
    sure = row(2, ((9.0, 1.0, 0.0), (1.0, 1.5, 0.0)), label=1, differences=(0.06, 0.1))[2]
    same = row(3, label=0, differences=(0.04, 0.02))[2]
    found = comparison([lost, sure, same])
    assert found.agreement == pytest.approx(1 / 3) and [r.name for r in found.changed] == ["row2", "row1"]
    first, second = found.layers()
    assert (first.difference, second.difference) == (0.04, 0.1) and second.step == pytest.approx(0.06)
    assert found.first_diverging.pair.one == "b"
    assert float_nodes(found.layers()) == ["conv2", "fc", "conv1"]
    summary = summarise_comparison(found)
    assert (summary.accuracy_one, summary.accuracy_other) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (summary.lost, summary.gained, summary.first_diverging) == (1, 1, "b")
    assert summary.classes == [ClassChange(0, 2, 2, 1, 1, 0), ClassChange(1, 1, 0, 1, 0, 1)]
    assert summary.turns == [Turn(0, 1, 2)] and summary.chance == 1
    assert summary.one_low < summary.accuracy_one < summary.one_high


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 9), (12, 4), (40, 40), (700, 600), (0, 2000)])
def test_mcnemars_test_is_that_of_scipy(lost, gained):
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(expected, rel=1e-9)


def test_densities_are_counted():
    one, other, found = row(5)
    kept = [len(neurons({layer: mask})) / mask.size for p in (one, other) for layer, mask in p.masks.items()]
    assert found.kept == tuple(pytest.approx(pair) for pair in zip(kept[:2], kept[2:], strict=True))
    assert found.density == pytest.approx((one.density, other.density))
    first = comparison([found, row(6)[2]]).layers()[0]
    assert first.kept_one == pytest.approx(np.mean([found.kept[0][0], row(6)[2].kept[0][0]]))
    assert comparison([]).density == (None, None)


def test_other_questions_are_left_out_of_averages():
    apart = row(1, targets=(0, 1))[2]
    same = row(2)[2]
    found = comparison([apart, same])
    assert found.comparable == [same] and found.overlap == same.overlap and len(found.inputs) == 2
    assert found.maps()[0].cosine == same.maps["gradient"].cosine


def test_a_comparison_of_nothing_divides_by_nothing():
    found = comparison([])
    assert found.first_diverging is None and found.overlap is None and found.maps() == []
    assert summarise_comparison(found).accuracy_one is None


def test_wilsons_interval():
    low, high = wilson(99, 100)
    assert (low, high) == (pytest.approx(0.9455, abs=1e-4), pytest.approx(0.9982, abs=1e-4))
    assert wilson(0, 0) == (0, 1) and wilson(5, 5)[1] == 1.0 and wilson(0, 5)[0] == 0.0
