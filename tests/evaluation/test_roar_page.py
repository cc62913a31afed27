"""The page of a study by retraining: numbers, verdicts, intervals, unfinished studies, and in a real browser."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from onnxpath.evaluation.roar.result import half_width, summed_up
from onnxpath.report.evaluation.data import Facts
from onnxpath.report.evaluation.lines import HEIGHT, WIDTH, Line, line_chart
from onnxpath.report.evaluation.roar import SECTIONS, Retrained, render, write_roar
from tests.conftest import BROWSER
from tests.evaluation.test_roar import TABLE
from tests.report.test_page import read

ABOUT = {"kind": "roar", "ranking": "signed", "kept": [], "epochs": 3, "flip": True, "decay": 0.5}
FACTS = Facts("<b>model</b>.onnx", command="onnxpath roar <b>", seconds=2.0)


def shown(points=TABLE, least=0.9, **about):
    return Retrained(summed_up(points, ["random"], {**ABOUT, **about}, least), FACTS, 60, 20, 64)


def text_of(page):
    return " ".join(read(page).text.split())


CASES = {
    "whole": shown,
    "one seed": lambda: shown([p for p in TABLE if p.seed == 0]),
    "unfinished": lambda: shown(TABLE[:7]),
    "clean alone": lambda: shown(TABLE[:3]),
    "nothing yet": lambda: shown([]),
    "does not count": lambda: shown(least=0.99),
    "kar": lambda: shown(kind="kar", ranking="absolute", kept=["<b>"]),
}


@pytest.mark.parametrize("name", CASES)
def test_pages_are_whole_and_escaped(name):
    made = CASES[name]()
    html = render(made)
    ids = [attrs["id"] for tag, attrs in read(html).tags if tag == "section"]
    bare = not made.result.rows
    assert ids == [part for part in SECTIONS if not (bare and part in ("results", "curves"))]
    assert "<b>model</b>" not in html and "&lt;b&gt;model" in html and "<script" not in html and "nan" not in html
    for tag, attrs in read(html).tags:
        if tag == "a" and attrs["href"].startswith("#"):
            assert attrs["href"][1:] in ids


def test_numbers_verdicts_and_the_recipe_are_on_the_page():
    text = text_of(render(shown()))
    assert "51.3 % [45.6 %, 57.1 %]" in text  # of 0.5, 0.54, 0.5
    assert "sharp first of the methods" in text and "✓ better" in text and "? undecided" in text
    assert "60 to train on, 20 to test, 64 positions each" in text
    assert "epochs 3; random flips yes; rate falls by a factor of 0.5" in text and "21 trainings" in text
    assert "lower is better" in text and "the run does not count" not in text
    kept = text_of(render(CASES["kar"]()))
    assert "higher is better" in kept and "as in the file: <b>" in kept and "sum of magnitudes over channels" in kept
    assert "below 99 %: the run does not count" in text_of(render(CASES["does not count"]()))
    assert "not decided by one seed" in text_of(render(CASES["one seed"]()))


def test_intervals_are_those_of_students_t():
    values = [0.5, 0.54, 0.5]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = shown().result.interval("sharp", 10.0)
    assert found == pytest.approx((low, high), abs=2e-4) and math.isnan(half_width([0.5]))
    clean = shown().result.clean_interval()
    assert sum(clean) / 2 == pytest.approx(0.93)


def test_lines_are_drawn_to_scale():
    chart = line_chart(
        "t", "x", [Line("m", False, [0, 50], [1.0, 0.5], [0.8, 0.4], [1.0, 0.6]), Line("b", True, [0], [0])]
    )
    baseline, method = chart["lines"]
    assert (chart["low"], chart["high"], chart["left"], chart["right"]) == (0.0, 1.0, 0, 50)
    assert method["mean"] == f"0.0,0.0 {WIDTH}.0,{HEIGHT / 2}"
    assert method["band"] == f"0.0,0.0 {WIDTH}.0,{HEIGHT * 0.4:.1f} {WIDTH}.0,{HEIGHT * 0.6:.1f} 0.0,{HEIGHT * 0.2:.1f}"
    assert baseline["kind"].startswith("baseline") and not baseline["band"] and method["kind"] == "method colour-0"


def test_what_is_written(tmp_path):
    page = write_roar(tmp_path, shown())
    assert page == tmp_path / "roar.html" and page.read_text("utf-8") == render(shown())
    plain = json.loads((tmp_path / "roar.json").read_text("utf-8"))
    assert plain["run"]["command"] == "onnxpath roar <b>" and len(plain["points"]) == len(TABLE) and plain["counts"]
    assert (tmp_path / "roar.csv").read_text("utf-8").count("\n") == len(TABLE) + 1


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_opens_without_errors_requests_or_sideways_scrolling(tmp_path, width, scheme, browser):
    file = write_roar(tmp_path, shown())
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert told == [] and [url for url in asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    plot = page.locator("figure.chart .plot svg")
    assert plot.locator("polyline").count() == 3 and plot.locator("polygon").count() == 2
    box = plot.bounding_box()
    assert box["width"] > 200 and box["height"] > 100
    page.close()
