"""Results show themselves: valid, escaped, self-contained and small HTML, a short line of text, seen in Chromium."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.attribution import Attribution
from onnxpath.evaluation.result import Evaluation, Score
from onnxpath.pathway.analyses.fingerprints import Fingerprints
from onnxpath.pathway.analyses.radius import LinearRadius
from onnxpath.report.data import Failure
from onnxpath.report.job.finish import Reported
from onnxpath.report.notebook import MOST_ROWS, view
from onnxpath.shown import Shown, brief
from tests.conftest import BROWSER
from tests.evaluation.test_roar_page import shown as retrained
from tests.models import sample, sample_images
from tests.pathway.analyses.made import drawn, pathway
from tests.report.test_page import Reader

from . import comparisons, samples, studies

NASTY = samples.NASTY


def attribution(shape=(2, 3, 16, 16), name="image", **more):
    rng = np.random.default_rng(0)
    rows = shape[0]
    target = np.zeros(rows, np.int64)
    return Attribution(
        {name: rng.normal(size=shape).astype("f")}, target, target, np.zeros((rows, 3), "f"), "gradient", {}, **more
    )


def evaluation(name="m"):
    scores = [
        Score(f"metric {k}{name}", "", name, False, "lower", 0.5, 0.4, 0.6, 3, [0.5] * 3, {}, 1.0) for k in range(30)
    ]
    return Evaluation(scores, 3, 0, 50, notes=[name])


STUDY = studies.study()
OBJECTS = {
    "model": lambda: onnxpath.load(sample("digits_cnn"), providers="cpu"),
    "attribution": lambda: attribution(notes=[NASTY], delta=np.array([0.1, 0.2])),
    "large attribution": lambda: attribution((40, 3, 500, 700)),
    "vectors": lambda: attribution((3, 7), NASTY),
    "volumes": lambda: attribution((1, 2, 4, 5, 6)),
    "channels last": lambda: attribution((1, 16, 16, 3)),
    "zeros": lambda: replace(attribution(), maps={"x": np.zeros((2, 1, 4, 4))}),
    "not finite": lambda: replace(attribution(), maps={NASTY: np.full((2, 1, 4, 4), np.nan)}),
    "pathway": lambda: drawn(0),
    "deep pathway": lambda: drawn(0, shapes=tuple((f"{NASTY}{i}", (5,)) for i in range(400))),
    "evaluation": lambda: evaluation(NASTY),
    "retrained": lambda: retrained().result,
    "comparison": lambda: comparisons.comparison(300, name=NASTY.replace("{", "") + "{}", notes=[NASTY]),
    "no comparison": lambda: comparisons.comparison(0),
    "report": lambda: Reported(
        Path("out/report.html"), Path("out/report.json"), 9, 8, [Failure(NASTY, NASTY * 50)] * 99
    ),
    "no report": lambda: Reported(None, None, 2, 0, [], [NASTY]),
    "radius": lambda: LinearRadius(0.25, "exact", None, {NASTY: 0.5}, 9, 8, 4, 0),
    "fingerprints": lambda: Fingerprints(np.zeros((4, 70)), tuple((NASTY, k) for k in range(70))),
    **{f"analysis {name}": (lambda result=result: result) for name, result in STUDY.analyses.items()},
}


class Fragment(Reader):
    """Reads a fragment, in which whatever is opened is closed."""

    VOID = (*Reader.VOID, "img")

    def __init__(self, html):
        super().__init__()
        self.feed(html)
        self.close()
        assert not self.open


@pytest.mark.parametrize("name", OBJECTS)
def test_html_is_whole_escaped_self_contained_and_small(name):
    html = OBJECTS[name]()._repr_html_()
    read = Fragment(html)
    assert len(html) < 250_000 and NASTY not in html and "<script" not in html and "@import" not in html
    kinds = {tag for tag, _ in read.tags}
    assert not kinds & {"script", "link", "iframe", "object", "meta", "base", "form", "input"}
    for tag, attrs in read.tags:
        for key, value in attrs.items():
            assert not key.startswith("on") and key not in ("id", "srcset")
            assert key not in ("src", "href") or value.startswith(("data:", "#"))
        if tag == "img":
            assert attrs["alt"] and attrs["src"].startswith("data:image/")
        if tag == "svg":
            assert attrs["role"] == "img" and attrs["aria-label"]
    assert "url(" not in html
    rules = re.sub(r"/\*.*?\*/", "", html[html.index("<style>") + 7 : html.index("</style>")])
    for selectors in re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{(.*?\})\s*\}", r"\1", rules)):
        assert all(".onnxpath-shown" in one for one in selectors.split(",")), selectors  # nothing of the notebook's own


@pytest.mark.parametrize("name", OBJECTS)
def test_the_line_of_text_is_short(name):
    value = OBJECTS[name]()
    text = repr(value)
    assert isinstance(value, Shown) and text.startswith(type(value).__name__) and len(text) < 700 and "\n" not in text


def test_numbers_are_those_of_the_result():
    text = " ".join(Fragment(drawn(0)._repr_html_()).text.split())
    assert f"density {drawn(0).density * 100:.2f}".rstrip("0") in text and "target softmax 80 % 40 %" in text
    found = comparisons.comparison(40)
    text = " ".join(Fragment(found._repr_html_()).text.split())
    assert f"{found.agreement * 100:.1f}".removesuffix(".0") + " % predictions agree" in text
    assert f"{found.changed[0].name} {found.changed[0].one.prediction} {found.changed[0].other.prediction}" in text
    text = " ".join(Fragment(OBJECTS["model"]()._repr_html_()).text.split())
    assert "4 neuron layers" in text and "30 794 parameters" in text
    assert "and 18 more metrics" in evaluation()._repr_html_()
    assert "and 79 more failures" in OBJECTS["report"]()._repr_html_()
    assert repr(OBJECTS["model"]()) == "Model('digits_cnn.onnx', 12 nodes, on cpu)"


def test_rows_beyond_the_first_are_counted_not_drawn():
    html = attribution((9, 1, 8, 8))._repr_html_()
    assert html.count("<img") == MOST_ROWS and f"and {9 - MOST_ROWS} more rows" in html
    assert attribution((1, 1, 8, 8))._repr_html_().count("<img") == 1


def test_channels_are_summed_wherever_they_stand():
    assert "summed over 3 channels" in attribution((1, 3, 16, 16))._repr_html_()
    assert "summed over 3 channels" in attribution((1, 16, 16, 3))._repr_html_()


def test_what_cannot_be_drawn_is_told_by_its_fields():
    html = OBJECTS["not finite"]()._repr_html_()
    assert "NaN or infinite" in html and "<img" not in html and "int64[2]" in html


def test_results_of_real_calls_show_themselves():
    model = onnxpath.load(sample("digits_cnn"), providers="cpu")
    found = onnxpath.attribute(model, sample_images()[:2], method="pathway-gradient")
    assert "neuron-mct" in found._repr_html_() and "pathways=[Pathway(...), Pathway(...)]" in repr(found)
    assert found.pathways[0].selector in view(found.pathways[0])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.zeros((2, 3), "f"), "float32[2, 3]"),
        (np.float64(0.25), "0.25"),
        (1 / 3, "0.333333"),
        ("x" * 99, "'" + "x" * 59 + "..."),
        ({"a": np.zeros(3)}, "{'a': float64[3]}"),
        (dict.fromkeys(range(9)), "<9 entries>"),
        ([1, 2], "[1, 2]"),
        (tuple(range(4)), "<4 entries>"),
        (pathway({"a": np.ones(3, bool)}), "Pathway(...)"),
    ],
)
def test_brief(value, said):
    assert brief(value) == said


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_all_of_them_in_a_browser(browser, tmp_path, width, scheme):
    pieces = [make()._repr_html_() for make in OBJECTS.values()]
    head = (
        "<!DOCTYPE html><html><head><meta charset=utf-8><meta name=viewport content='width=device-width'></head><body>"
    )
    (tmp_path / "cells.html").write_text(head + "".join(pieces) + "</body></html>", encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "cells.html").as_uri())
    assert told == [] and [url for url in asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back, front = page.evaluate(COLOURS)
    assert (sum(back) < 300) == (scheme == "dark") and abs(sum(back) - sum(front)) > 400
    page.close()


COLOURS = """() => { const s = getComputedStyle(document.querySelector(".onnxpath-shown"));
  return [s.backgroundColor, s.color].map(c => c.match(/\\d+/g).slice(0, 3).map(Number)); }"""
