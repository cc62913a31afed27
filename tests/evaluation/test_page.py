"""The page of an evaluation in a real browser."""

import numpy as np
import pytest

import onnxpath
from onnxpath.report.evaluation.page import SECTIONS, Facts, Scored, render, write_evaluation
from tests.conftest import BROWSER
from tests.models import sample, sample_images

FACTS = Facts("<b>model</b>.onnx", preprocess={"mean": (0.5,), "std": None}, command="onnxpath evaluate", seconds=2.0)


@pytest.fixture(scope="module")
def result():
    boxes = [[[2, 2, 13, 13]]] * 4
    return onnxpath.evaluate(
        sample("digits_cnn"),
        sample_images()[:4],
        ["gradient", "input-x-gradient"],
        ["lerf", "cascading-randomisation", "pointing-game", "sparseness"],
        boxes=boxes,
        draws=1,
        stages=3,
        samples=50,
    )


def test_every_section_is_there_and_names_are_escaped(result):
    html = render(Scored(result, FACTS))
    for name in set(SECTIONS) - {"skipped"}:
        assert f'<section id="{name}"' in html
    assert "<b>model</b>" not in html and "&lt;b&gt;model" in html and "<script" not in html
    assert html.count("<table") == 4
    assert "undecided" in html


def test_what_was_skipped_is_on_the_page(result):
    import dataclasses

    html = render(Scored(dataclasses.replace(result, skipped=["cam: no <convolution>"]), FACTS))
    assert '<section id="skipped"' in html and "no &lt;convolution&gt;" in html


def test_the_page_says_what_each_metric_measures(result):
    html = render(Scored(result, FACTS))
    assert "least relevant positions are removed first" in html and "layers are randomised from the output on" in html


def test_a_page_without_curves_or_values(result):
    import dataclasses

    bare = [dataclasses.replace(s, curve=None, mean=np.nan, rows=0) for s in result.scores[:2]]
    html = render(Scored(dataclasses.replace(result, scores=bare), Facts("m.onnx")))
    assert '<section id="curves"' not in html and "n/a" in html


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_opens_without_errors_requests_or_sideways_scrolling(result, tmp_path, width, scheme, browser):
    page_file = write_evaluation(tmp_path, result, FACTS)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert told == [] and [url for url in asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
    curves = page.locator("figure.chart")
    assert curves.count() == 2 + 4  # lerf by two rankings, the cascade by four similarities
    first = curves.first.locator(".plot svg")
    assert first.locator("polyline").count() == 2 + 6 and first.locator("polygon").count() == 2
    box = first.bounding_box()
    assert box["width"] > 200 and box["height"] > 100
    page.close()
