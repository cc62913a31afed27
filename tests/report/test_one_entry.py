"""Outputs of one entry: no prediction can change, so pages tell the values and how far the pathway alone moves them."""

import dataclasses
import json
import re

import numpy as np
import pytest

import onnxpath
from onnxpath import Pathway, files
from onnxpath.pathway.analyses.named import ANALYSES
from onnxpath.report.build import item_warnings, pathway_facts
from onnxpath.report.data import ClassRef, Prediction
from onnxpath.report.figures import Figures
from onnxpath.report.netron import attachment
from onnxpath.report.page import render
from onnxpath.report.plain import to_json
from onnxpath.report.summary import summarise
from tests.conftest import BROWSER
from tests.models import mlp, parse, run

from . import samples

X = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
VALUES = [(132.0, 44.0), (-2.0, -3.0), (0.0, 1.0), (10.0, 10.0)]


def report(values=VALUES, size=16):
    """A report of a regression: (output of the whole network, of the pathway alone) of each input."""
    made = samples.report(len(values), size)
    only = ClassRef(0, "0")
    for item, (whole, alone) in zip(made.items, values, strict=True):
        item.label, item.target, item.predictions, item.warnings = None, only, [Prediction(0, "0", whole)], []
        item.pathway = dataclasses.replace(
            item.pathway,
            logit=whole,
            masked_logit=alone,
            prediction=only,
            masked_prediction=only,
            kept=None,
            softmax=None,
            masked_softmax=None,
            margin=None,
        )
    made.figures = Figures(made.items)
    return made


def words(html):
    """Return what a reader sees of a page, and the names of pictures."""
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style|form|template).*?</\1>", "", html)).split())


@pytest.fixture(scope="module")
def regression():
    return onnxpath.load(mlp(widths=(6, 8, 1)), providers="cpu")


@pytest.mark.parametrize("options", [{}, {"target": 0}, {"target": np.ones((4, 1), np.float32)}])
def test_nothing_is_kept_or_lost(regression, options):
    found = onnxpath.critical_pathway(regression, X, sparsity=0.7, **options)
    whole = run(mlp(widths=(6, 8, 1)), {"x": X})["y"][:, 0]
    for pathway, y in zip(found, whole, strict=True):
        assert pathway.kept_prediction is None
        assert pathway.change == pytest.approx((pathway.masked.logit - y) / abs(y), rel=1e-3)
    assert any(abs(p.change) > 0.05 for p in found)


def test_a_choice_among_entries_stays_one():
    """Classes, also under a cotangent and for a target of one's own, and the entries of a map."""
    model = onnxpath.load(mlp(), providers="cpu")
    for options in ({}, {"target": 1}, {"target": np.ones((4, 3), np.float32)}):
        for p in onnxpath.critical_pathway(model, X, sparsity=0.8, **options):
            assert p.kept_prediction is (p.original.prediction == p.masked.prediction)
    weights = np.random.default_rng(0).normal(size=(1, 1, 3, 3)).astype(np.float32)
    text = "m (float[n, 1, 5, 5] x) => (float[n, 1, 3, 3] y) { r = Relu(x); y = Conv(r, w) }"
    model = onnxpath.load(parse(text, w=weights), providers="cpu")
    images = np.random.default_rng(1).normal(size=(20, 1, 5, 5)).astype(np.float32)
    logits = run(parse(text, w=weights), {"x": images})["y"]
    found = onnxpath.critical_pathway(model, images, sparsity=0.95)
    assert {p.kept_prediction for p in found} == {True, False}
    lost = next(n for n, p in enumerate(found) if not p.kept_prediction)
    assert any("has another largest entry" in told for told in item_warnings(found[lost], logits[lost]))


def test_files_from_before_entries_were_counted(regression, tmp_path):
    classes = onnxpath.load(mlp(), providers="cpu")
    for model, options, expected in (
        (regression, {}, None),
        (classes, {}, True),
        (classes, {"target": np.ones((1, 3), np.float32)}, None),
    ):
        (pathway,) = onnxpath.critical_pathway(model, X[:1], sparsity=0.0, **options)
        arrays = pathway.packed()
        meta = json.loads(bytes(arrays["pathway"]))
        for name in ("original", "masked"):
            del meta[name]["entries"]
        arrays["pathway"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        files.save_npz(tmp_path / "p.npz", arrays)
        assert Pathway.load(tmp_path / "p.npz").kept_prediction is expected


def test_the_page_tells_values_and_their_change():
    html = render(report())
    text = words(html)
    assert not re.search("predictions? (kept|changed)", text.lower())
    assert text.lower().count("margin") == 1 and "no class to keep, and no margin" in text
    assert "output 132 44 relative change −66.7 %" in text and "output −2 −3 relative change −50 %" in text
    assert "relative change n/a" in text and "relative change 0 %" in text
    share = (88 + 1 + 1 + 0) / (132 + 2 + 0 + 10)
    assert f"{100 * share:.1f} % change of the output" in text
    assert "means 35 of the whole network, 13 of the pathway alone" in text
    assert "Moved most by the pathway change of the output set/0.png 88" in text
    plain = json.loads(to_json(report()))
    assert [item["pathway"]["kept"] for item in plain["items"]] == [None] * 4
    assert plain["summary"]["kept"] is None and plain["summary"]["output_change"] == pytest.approx(share)


def test_a_page_of_classes_has_none_of_it():
    text = words(render(samples.report(6)))
    assert "✓ prediction kept" in text and "predictions kept 4 of 6" in text and "Margin" in text
    assert "relative change" not in text and "change of the output" not in text.lower()
    summary = summarise(samples.report(6))
    assert (summary.kept, summary.pathways, summary.output_change, summary.mean_output) == (4, 6, None, None)


def test_outputs_that_are_all_zero_have_no_relative_change():
    summary = summarise(report([(0.0, 1.0)] * 3))
    assert summary.output_change is None and (summary.mean_output, summary.mean_output_alone) == (0.0, 1.0)


@pytest.mark.needs(BROWSER, "playwright")
def test_the_gallery_offers_no_filter_by_what_is_kept(open_page):
    page = open_page(report())
    assert page.told == [] and page.locator(".tiles li").count() == 4
    assert page.locator("[data-for=kept]:visible").count() == 0 and page.locator(".tiles .dot.bad").count() == 0
    assert page.locator("select[name=sort] option[value=margin]").count() == 0
    mixed = samples.report(6)
    mixed.items[0] = report().items[0]
    page = open_page(dataclasses.replace(mixed, figures=Figures(mixed.items)))
    assert page.locator("[data-for=kept]:visible").count() == 1
    for value, count in (("1", 4), ("0", 1)):
        page.locator("select[name=kept]").select_option(value)
        assert page.locator(".tiles li").count() == count


def test_the_notebook_tells_values(regression):
    (pathway,) = onnxpath.critical_pathway(regression, X[:1], sparsity=0.7)
    text = words(pathway._repr_html_())
    assert "relative change" in text and "prediction" not in text and "softmax" not in text


def test_analyses_and_netron_leave_it_out(regression):
    found = {"neuron-mct": onnxpath.critical_pathway(regression, X, sparsity=0.7)}
    (rates,) = ANALYSES.get("layers")(found).selectors
    readings = [(p.original.logit, p.masked.logit) for p in found["neuron-mct"]]
    change = sum(abs(b - a) for a, b in readings) / sum(abs(a) for a, _ in readings)
    assert rates.kept_prediction is None and rates.change == pytest.approx(change)
    metrics = json.loads(attachment(regression, found, [{n.name: 1.0 for n in rates.layers}]))["metrics"]
    told = {m["name"]: m["value"] for m in metrics if m["kind"] == "model"}
    assert set(told) == {"inputs", "density by neuron-mct", "change of the output by neuron-mct"}
    assert pathway_facts(found["neuron-mct"][0], []).kept is None
    classes = {"neuron-mct": onnxpath.critical_pathway(onnxpath.load(mlp(), providers="cpu"), X, sparsity=0.7)}
    (rates,) = ANALYSES.get("layers")(classes).selectors
    assert rates.change is None
    assert rates.kept_prediction == np.mean([p.kept_prediction for p in classes["neuron-mct"]])
