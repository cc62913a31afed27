"""report.json, the numbers over all inputs, and the numbers of the charts."""

import json

import numpy as np
import pytest

from onnxpath.report.charts import MOST_LAYERS, layer_chart, vector_chart
from onnxpath.report.data import ClassRef, Item, LayerCount, Prediction
from onnxpath.report.plain import as_plain, compact, to_json
from onnxpath.report.summary import summarise
from onnxpath.report.template import count, duration, number, percent, shape, tail

from . import samples


@pytest.mark.parametrize("name", samples.CASES)
def test_json_is_plain_and_complete(name):
    report = samples.CASES[name]()
    plain = json.loads(to_json(report))
    assert plain["schema"] == 1 and len(plain["items"]) == len(report.items)
    assert set(plain) == {
        "schema", "onnxpath", "title", "model", "run", "items", "failures", "warnings", "summary", "conservation",
        "class_overlap",
    }  # fmt: skip
    assert to_json(report) == to_json(report)


def test_pictures_stay_out_of_the_json():
    plain = as_plain(samples.item(1))
    assert "shown" not in plain and "values" not in plain["maps"][0]
    assert set(plain["maps"][0]) == {"method", "limit", "clipping", "min", "max", "sum", "note", "scores"}
    assert set(plain["pathway"]) >= {
        "sparsity",
        "density",
        "base_sparsity",
        "dead_fraction",
        "kept",
        "margin",
        "layers",
    }


def test_numpy_values_and_what_is_not_finite():
    entry = Prediction(np.int64(3), "x", np.float32(0.5), float("nan"))
    assert as_plain(entry) == {"index": 3, "name": "x", "logit": 0.5, "softmax": None}
    assert as_plain({"a": np.array([1.0, np.inf]), "b": (np.bool_(True),)}) == {"a": [1.0, None], "b": [True]}
    with pytest.raises(TypeError, match="cannot hold a set"):
        as_plain({"a": {1}})


@pytest.mark.parametrize("name", ["plain", "ünicode", "no UTF-8 \udce4", 'quoted "\n'])
@pytest.mark.parametrize("softmax", [0.25, None, float("inf"), np.float64("nan"), np.float32(0.5)])
def test_text_on_one_line_is_that_of_the_plain_data(name, softmax):
    item = Item(name, "x.png", predictions=[Prediction(np.int64(3), name, np.float32(0.5), softmax)])
    text = compact(item)
    assert "\n" not in text and text.encode("utf-8")
    assert json.loads(text) == as_plain(item)
    with pytest.raises(TypeError, match="cannot hold a set"):
        compact({"a": {1}})


def test_summary():
    summary = summarise(samples.report(6))
    assert (summary.inputs, summary.explained, summary.failed) == (6, 6, 0)
    assert (summary.labelled, summary.correct, summary.accuracy) == (6, 3, 0.5)
    assert (summary.pathways, summary.kept) == (6, 4) and summary.mean_density == pytest.approx(0.08)


def test_summary_of_nothing_divides_by_nothing():
    summary = summarise(samples.report(0))
    assert summary.accuracy is None and summary.kept_fraction is None and summary.mean_density is None


def test_correct_needs_a_label_with_an_index_and_predictions_to_choose_from():
    first = [Prediction(1, "dog", 1.0), Prediction(0, "cat", 0.5)]
    assert Item("x", "x", ClassRef(1, "dog"), first).correct is True
    assert Item("x", "x", ClassRef(0, "cat"), first).correct is False
    assert Item("x", "x", ClassRef(None, "dog"), first).correct is None
    assert Item("x", "x", None, first).correct is None
    assert Item("x", "x", ClassRef(1, "dog")).correct is None
    assert Item("x", "x", ClassRef(0, "0"), [Prediction(0, "0", 132.0)]).correct is None


def test_layer_chart_and_its_pooling():
    few = layer_chart([LayerCount("a", 100, 10, 40), LayerCount("b", 100, 0, 20)])
    assert few.top == 0.4 and few.pooled == 1 and few.has_active
    assert few.kept == "M1 60v-15.0h8V60z" and few.titles == [
        "a: 10.0% kept, 40.0% active",
        "b: 0.0% kept, 20.0% active",
    ]
    many = layer_chart([LayerCount(str(i), 10, 5) for i in range(1000)])
    assert many.pooled == 16 and len(many.titles) <= MOST_LAYERS and not many.has_active
    assert many.titles[0] == "0 … 15: 50.0% kept"
    assert layer_chart([]) is None and layer_chart([LayerCount("empty", 0, 0)]).top == 0.01


def test_vector_chart_shows_the_largest_of_what_it_pools():
    chart = vector_chart(np.array([1.0, -2.0, 0.0, 9.0]), 2.0)
    assert (
        chart.positive == "M0.1 1v-0.500h.8v0.500zM3.1 1v-1.000h.8v1.000z"
        and chart.negative == "M1.1 1v1.000h.8v-1.000z"
    )
    long = np.zeros(5000)
    long[1234] = -1
    chart = vector_chart(long, 1.0)
    assert chart.pooled == 10 and chart.count == 500 and chart.negative.startswith("M123.1") and not chart.positive
    assert vector_chart(np.zeros(3), 0.0).positive == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(None), "n/a"),
        (number(-1.23456), "−1.235"),
        (number(1234.5, 3), "1234"),
        (number(1e-9), "1e−09"),
        (percent(None), "n/a"),
        (percent(0.5), "50 %"),
        (percent(0.12345, 2), "12.35 %"),
        (percent(1e-6), "<0.05 %"),
        (percent(1 - 1e-6), ">99.95 %"),
        (percent(0.0), "0 %"),
        (percent(1.0), "100 %"),
        (percent(-2 / 3), "−66.7 %"),
        (percent(-1e-6), ">−0.05 %"),
        (percent(-1 + 1e-6), "<−99.95 %"),
        (percent(-2.0), "−200 %"),
        (count(1234567), "1\u202f234\u202f567"),
        (count(None), "n/a"),
        (shape(("N", 3, None)), "N×3×?"),
        (shape(()), "scalar"),
        (duration(None), "n/a"),
        (duration(0.0123), "12.3 ms"),
        (duration(12.34), "12.3 s"),
        (duration(3600), "60 min"),
        (tail("short.png"), "short.png"),
        (tail("ILSVRC2012_val_00000347.JPEG"), "…00000347.JPEG"),
    ],
)
def test_formats(text, expected):
    assert text == expected
