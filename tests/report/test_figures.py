"""The numbers of all inputs: counted one by one they are those of numpy and scikit-learn, however many there are."""

import dataclasses
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from onnxpath.report.charts import histogram
from onnxpath.report.class_overlap import MOST_CLASSES, class_overlap, jaccard
from onnxpath.report.confusion import CONFIDENCE_BINS, Calibration
from onnxpath.report.data import ClassRef, Item, Prediction
from onnxpath.report.figures import MOST_EXAMPLES, Figures
from onnxpath.report.spread import MOST_BINS, Spread
from onnxpath.report.strange import FAR, MOST, Strangest
from onnxpath.report.summary import summarise
from tests.pathway.analyses.made import drawn, neurons

from . import samples

VALUES = {
    "fractions": lambda rng: rng.random(5000),
    "wide": lambda rng: rng.normal(size=3000) * 10.0 ** rng.integers(-3, 7, 3000),
    "narrow": lambda rng: 0.9 + rng.random(2000) * 1e-6,
    "negative": lambda rng: -rng.gamma(2, 3, 1000),
    "whole": lambda rng: rng.integers(-40, 40, 500).astype(float),
    "far away": lambda rng: 1e6 + rng.random(100),
    "one": lambda rng: np.array([0.25]),
    "equal": lambda rng: np.full(7, 0.1),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("most", [5, 25])
def test_bins_hold_what_numpy_counts(name, most):
    values = VALUES[name](np.random.default_rng(3))
    spread = Spread(values.tolist())
    left, width, counts = spread.binned(most)
    edges = left + width * np.arange(len(counts) + 1)
    assert len(counts) <= most and sum(counts) == len(values) == spread.count
    assert edges[0] <= values.min() and values.max() <= edges[-1]
    # A number on an edge may be on either side of it as numpy computes edges.
    apart = np.abs(np.cumsum(counts) - np.cumsum(np.histogram(values, edges)[0]))
    on_edge = sum(np.isclose(values, edge, rtol=1e-12, atol=0).sum() for edge in edges)
    assert apart.max() <= on_edge < len(values) / 2 + 8
    assert f"{width:e}"[0] in "125" and set(f"{width:.6e}"[2:].partition("e")[0]) == {"0"}
    assert spread.mean == pytest.approx(values.mean()) and spread.deviation == pytest.approx(values.std(), rel=1e-6)


def test_bins_of_a_given_range_and_what_is_not_a_number():
    spread = Spread([0.0, 0.04, 0.99, 1.0, float("nan"), float("inf")])
    assert spread.binned(20, 0.0, 1.0) == (0.0, 0.05, [2, *[0] * 18, 2]) and spread.count == 4
    assert Spread([0.5]).binned(10, 0.0, 1.0)[2] == [0] * 5 + [1] + [0] * 4
    assert Spread().mean is None and Spread().deviation == 0
    with pytest.raises(ValueError, match="no numbers"):
        Spread().binned(5)


def test_bins_do_not_depend_on_the_order_and_stay_few():
    values = VALUES["wide"](np.random.default_rng(1))
    one, other = Spread(values.tolist()), Spread(sorted(values.tolist()))
    assert one.binned(25) == other.binned(25) and len(one._bins) <= MOST_BINS


def test_histogram():
    chart = histogram(Spread([0.0, 0.04, 0.99, 1.0]), 0.0, 1.0)
    assert chart.peak == 2 and chart.count == 4 and len(chart.bars) == 20 and (chart.low, chart.high) == (0.0, 1.0)
    assert [bar.height for bar in chart.bars] == [1.0, *[0.0] * 18, 1.0]
    assert chart.bars[0].title == "0 to 0.05: 2 inputs" and chart.bars[1].title == "0.05 to 0.1: 0 inputs"
    assert histogram(Spread()) is None
    alone = histogram(Spread([3.0]), of="class")
    assert len(alone.bars) >= 9 and alone.low < 3.0 < alone.high and "1 class" in alone.bars[len(alone.bars) // 2].title


def made(index, classes=7, rng=None):
    rng = np.random.default_rng(index)
    label, said, sure = int(rng.integers(classes)), int(rng.integers(classes)), float(rng.random())
    said = label if index % 3 else said
    pathway = dataclasses.replace(
        samples.item(1).pathway,
        density=float(rng.normal(0.1, 0.01)),
        margin=float(rng.normal()),
        kept=index % 5 > 0,
        softmax=sure,
    )
    return Item(
        f"{index}.png",
        f"{index}.png",
        ClassRef(label, f"name {label}"),
        [Prediction(said, f"name {said}", 1.0, sure), Prediction(said + 1, "next", 0.0, 1 - sure)],
        ClassRef(said, f"name {said}"),
        pathway,
        seconds=float(rng.random()),
    )


@pytest.fixture(scope="module")
def items():
    return [made(index) for index in range(900)]


@pytest.mark.needs("sklearn")
def test_confusion_is_that_of_scikit_learn(items):
    from sklearn import metrics

    labels, said = [i.label.index for i in items], [i.predictions[0].index for i in items]
    matrix = metrics.confusion_matrix(labels, said, labels=range(7))
    found = Figures(items).confusion
    assert [[found.pairs[a, b] for b in range(7)] for a in range(7)] == matrix.tolist()
    recall = metrics.recall_score(labels, said, labels=range(7), average=None)
    assert [c.accuracy for c in found.classes()] == pytest.approx(recall.tolist())
    assert [c.predicted for c in found.classes()] == matrix.sum(0).tolist()
    first = found.confused(3)
    wrong = matrix - np.diag(np.diag(matrix))
    assert [c.inputs for c in first] == sorted(wrong.ravel().tolist())[::-1][:3]
    assert first[0].share == first[0].inputs / matrix[first[0].label].sum()


def test_calibration_error_is_that_of_its_definition(items):
    sure = np.array([i.predictions[0].softmax for i in items])
    right = np.array([i.correct for i in items])
    error = 0.0
    for low in np.arange(CONFIDENCE_BINS) / CONFIDENCE_BINS:
        own = (sure >= low) & (sure < low + 1 / CONFIDENCE_BINS)
        error += own.mean() * abs(right[own].mean() - sure[own].mean()) if own.any() else 0
    found = Figures(items).calibration
    assert found.error == pytest.approx(error) and found.excess == pytest.approx(sure.mean() - right.mean())
    assert sum(b.inputs for b in found.bins()) == len(items)
    edge = Calibration()
    edge.add(1.0, True)
    assert edge.bins()[-1].inputs == 1 and edge.bins()[0].confidence is None and Calibration().bins() == []


def test_strange_inputs_are_those_that_sorting_finds(items):
    figures = Figures(items)
    found = figures.strangest.found(figures.spreads)
    wrong = [(i.predictions[0].softmax, n) for n, i in enumerate(items) if not i.correct]
    assert [s.index for s in found["sure-wrong"]] == [n for _, n in sorted(wrong)[::-1][:MOST]]
    assert [s.index for s in found["unsure-wrong"]] == [n for _, n in sorted(wrong)[:MOST]]
    margins = sorted((i.pathway.margin, n) for n, i in enumerate(items) if i.pathway.kept)
    assert [s.index for s in found["margin"]] == [n for _, n in margins[:MOST]]
    changed = sorted((-i.pathway.softmax, n) for n, i in enumerate(items) if not i.pathway.kept)
    assert [s.index for s in found["changed"]] == [n for _, n in changed[:MOST]]
    slow = sorted((-i.seconds, n) for n, i in enumerate(items))
    assert [s.index for s in found["slow"]] == [n for _, n in slow[:MOST]]
    density = np.array([i.pathway.density for i in items])
    out = np.abs(density - density.mean()) > FAR * density.std()
    assert {s.index for s in found["dense"]} == set(np.argsort(-density)[:MOST][out[np.argsort(-density)[:MOST]]])
    assert all(density[s.index] < density.mean() for s in found["sparse"])


def test_equal_values_are_no_outliers_and_the_first_of_them_comes_first():
    figures = Figures(samples.report(30).items)
    found = figures.strangest.found(figures.spreads)
    assert "dense" not in found and "sparse" not in found
    nearly = [made(index) for index in range(100)]
    for index, item in enumerate(nearly):
        item.pathway.density = 0.1 if index else 0.0999
    figures = Figures(nearly)
    assert "sparse" not in figures.strangest.found(figures.spreads)
    assert [s.index for s in found["slow"]] == list(range(MOST))


def test_numbers_are_those_of_the_run_where_inputs_failed():
    figures = Figures()
    figures.add(made(0), 5, 2.0)
    figures.add(dataclasses.replace(made(1), number=9))
    found = figures.strangest.found(figures.spreads)["slow"]
    assert {(s.index, s.name) for s in found} == {(5, "0.png"), (9, "1.png")} and found[0].value == 2.0
    assert not Strangest().found({})


def test_memory_does_not_grow_with_the_inputs(items):
    """Nine hundred inputs again and again: what is held after 9,000 is what is held after 1,800."""
    figures, held = Figures(), []
    tracemalloc.start()
    for turn in range(10):
        for item in items:
            figures.add(item, turn)
        if turn in (1, 9):
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert figures.count == 9000 and held[1] < held[0] + 4096
    assert sys.getsizeof(figures.confusion.pairs) < 10_000


def test_summary_has_intervals_classes_and_confusions(items):
    report = samples.report(0)
    report.figures = Figures(items)
    summary = summarise(report)
    assert summary.accuracy_low < summary.accuracy < summary.accuracy_high and len(summary.classes) == 7
    assert summary.kept_low < summary.kept_fraction < summary.kept_high
    assert summary.confusions[0].inputs >= summary.confusions[1].inputs and summary.calibration_error > 0
    assert summarise(samples.report(0)).accuracy_low is None


SHAPES = (("a", (5, 9)), ("b", (13,)))


def folder_of(tmp_path: Path, classes, each):
    """A folder of pathways, the figures that know of them, and the pathways by class."""
    figures, paths = Figures(), {}
    for index in range(classes * each):
        label = index % classes
        pathway = drawn(index, 0.3, SHAPES, target=label)
        pathway.save(tmp_path / f"{index}.npz")
        paths.setdefault(label, []).append(pathway)
        item = dataclasses.replace(made(index), target=ClassRef(label, f"name {label}"), arrays=f"{index}.npz")
        figures.add(item)
    return figures, paths


def test_overlap_of_classes_is_that_of_sets_counted_one_by_one(tmp_path):
    figures, paths = folder_of(tmp_path, 3, 4)
    found = class_overlap(tmp_path, figures)

    def index(one, other):
        a, b = neurons(one.masks), neurons(other.masks)
        return len(a & b) / len(a | b)

    assert found.classes == ["name 0", "name 1", "name 2"] and found.inputs == [4] * 3 == found.explained
    for i in range(3):
        for j in range(3):
            slow = [index(a, b) for a in paths[i] for b in paths[j] if a is not b]
            assert found.matrix[i][j] == pytest.approx(np.mean(slow))
    inside = [index(a, b) for i in range(3) for a in paths[i] for b in paths[i] if a is not b]
    assert found.within == pytest.approx(np.mean(inside)) and found.between != found.within


def test_overlap_of_many_classes_and_inputs_stays_small(tmp_path):
    figures, _ = folder_of(tmp_path, MOST_CLASSES + 5, MOST_EXAMPLES + 1)
    (tmp_path / "0.npz").write_bytes(b"damaged")
    found = class_overlap(tmp_path, figures)
    assert len(found.classes) == MOST_CLASSES and found.of == MOST_CLASSES + 5
    assert found.inputs == [MOST_EXAMPLES - 1, *[MOST_EXAMPLES] * (MOST_CLASSES - 1)]
    assert set(found.explained) == {MOST_EXAMPLES + 1}


def test_overlap_needs_two_classes(tmp_path):
    assert class_overlap(tmp_path, folder_of(tmp_path, 1, 3)[0]) is None
    assert class_overlap(tmp_path, Figures([samples.item(0)])) is None
    assert class_overlap(tmp_path / "gone", folder_of(tmp_path, 2, 1)[0]) is None


def test_jaccard_of_empty_sets_is_undefined():
    found = jaccard([np.zeros(3, np.uint8), np.zeros(3, np.uint8), np.array([1, 0, 255], np.uint8)])
    assert np.isnan(found[0, 1]) and found[0, 2] == 0 and found[2, 2] == 1
