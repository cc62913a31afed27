"""The overview of a report: accuracy, confusions, overlap of classes, inputs worth a look, in text and in a browser."""

import re

import pytest

from onnxpath.report.data import Item
from onnxpath.report.page import render
from onnxpath.report.section import SECTIONS
from onnxpath.report.sections.accuracy import MOST_CLASSES, MOST_PAIRS, worst
from onnxpath.report.summary import summarise
from tests.conftest import BROWSER

from . import overviews, samples
from .test_page import SOMETIMES, read
from .test_study import CONTRAST

PARTS = [name for name in SOMETIMES if name != "conservation"]


def text_of(section, report):
    return " ".join(read(SECTIONS.get(section).render(report)).text.split())


@pytest.mark.parametrize("name", overviews.CASES)
@pytest.mark.parametrize("section", [*PARTS, "overview", "header"])
def test_sections_are_whole_and_escaped(section, name):
    html = SECTIONS.get(section).render(overviews.CASES[name]())
    tags = read(html).tags
    assert html.strip() and samples.NASTY not in html and "<script" not in html and "<img" not in html
    assert all(attrs.get("aria-label") for tag, attrs in tags if tag == "svg")
    assert len(html) < 400_000


@pytest.mark.parametrize("section", PARTS)
def test_sections_without_anything_to_say_are_left_out(section):
    bare = samples.report(0)
    bare.figures.add(Item("bare", "bare.npy"))
    for report in (samples.report(0), bare):
        assert not SECTIONS.get(section).render(report)
        assert f"#{section}" not in SECTIONS.get("header").render(report)
    assert f"#{section}" in SECTIONS.get("header").render(overviews.report(50, 3))


def test_numbers_are_on_the_page():
    report = overviews.CASES["ten classes"]()
    summary = summarise(report)
    text = text_of("accuracy", report)
    for c in summary.classes:
        assert f"class {c.index} {c.index} {c.inputs} {c.predicted} {c.accuracy * 100:.1f}".removesuffix(".0") in text
    assert f"Expected calibration error {summary.calibration_error * 100:.1f} %" in text
    first = summary.confusions[0]
    assert f"{first.label_name} {first.predicted_name} {first.inputs} " in text
    shown = text_of("overview", report)
    assert f"95 % interval {summary.accuracy_low * 100:.1f} % – {summary.accuracy_high * 100:.1f} %" in shown
    assert "25 % between classes" in text_of("class-overlap", report) and "n/a" in text_of("class-overlap", report)


def test_the_matrix_holds_every_input_and_frames_right_answers():
    report = overviews.CASES["ten classes"]()
    html = SECTIONS.get("accuracy").render(report)
    table = html[html.index('class="heat confusion"') :]
    cells = re.findall(r"<td style=[^>]*?( class=\"right\")?><(?:a|span)[^>]*>([^<]*)</(?:a|span)></td>", table)
    counts = [int(text.replace("\u202f", "")) if text != "·" else 0 for _, text in cells]
    assert len(cells) == 100 and sum(counts) == 2000
    right = [n for n, (framed, _) in zip(counts, cells, strict=True) if framed]
    assert len(right) == 10 and sum(right) == summarise(report).correct


def test_of_a_thousand_classes_the_worst_are_shown_and_all_can_be_read():
    report = overviews.CASES["a thousand classes"]()
    summary, html = summarise(report), SECTIONS.get("accuracy").render(report)
    judged = [c for c in summary.classes if c.inputs]
    assert "confusion" not in re.findall(r'class="(heat [^"]*)"', html)
    rows = re.findall(r'<tr><th scope="row">(class \d+) ', html)
    assert rows[:MOST_CLASSES] == [c.name for c in worst(judged)[:MOST_CLASSES]]
    assert rows[MOST_CLASSES:] == [c.name for c in judged]
    assert f"{MOST_PAIRS} of" in text_of("accuracy", report) and "Accuracy of classes" in html
    accuracies = [c.accuracy for c in worst(judged)]
    assert accuracies == sorted(accuracies)


def test_strange_inputs_lead_to_their_places():
    report = overviews.CASES["ten classes"]()
    html = SECTIONS.get("worth-a-look").render(report)
    found = report.figures.strangest.found(report.figures.spreads)
    assert len(found) == 8 and re.findall(r'href="#item-(\d+)"', html) == [
        str(entry.index) for entries in found.values() for entry in entries
    ]


def test_a_report_of_its_own_items_links_to_them():
    report = samples.report(12)
    ids = {attrs.get("id") for _, attrs in read(render(report)).tags}
    linked = re.findall(r'href="#(item-\d+)"', SECTIONS.get("worth-a-look").render(report))
    assert linked and set(linked) <= ids


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize("name", overviews.CASES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_in_a_browser(open_page, name, width, scheme):
    page = open_page(overviews.CASES[name](), width, scheme)
    assert page.told == [] and page.evaluate("document.documentElement.scrollWidth") <= width
    for cell in page.locator(".heat td:visible").all()[:4]:
        assert cell.evaluate(CONTRAST) >= 4.5
    page.locator(".strange a").first.click()
    assert "#item-" in page.url
