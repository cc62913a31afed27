"""The page of a comparison: every section on none, one and many, in text and in a browser."""

import json
from dataclasses import replace

import pytest

from onnxpath.report.compared import MOST_SHOWN
from onnxpath.report.data import Failure
from onnxpath.report.page import render
from onnxpath.report.plain import to_json
from onnxpath.report.section import in_order
from tests.conftest import BROWSER

from . import comparisons, samples
from .test_page import check_page, read

PARTS = [part.name for part in in_order("compare")]


def has(made, section):
    """Whether a section has anything to say."""
    known = {"compare-inputs": bool(made.items), "compare-classes": bool(made.summary.turns)}
    known["compare-changed"] = made.summary.agreement is not None
    return known.get(section, True)


@pytest.mark.parametrize("name", comparisons.CASES)
def test_page_is_whole_and_fetches_nothing(name):
    made = comparisons.CASES[name]()
    page = check_page(render(made))
    ids = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    assert ids == {part for part in PARTS if has(made, part)}
    assert sum(tag == "article" for tag, _ in page.tags) == len(made.items) <= MOST_SHOWN


@pytest.mark.parametrize("name", comparisons.CASES)
@pytest.mark.parametrize("section", PARTS)
def test_every_section_on_every_comparison(section, name):
    (part,) = [p for p in in_order("compare") if p.name == section]
    made = comparisons.CASES[name]()
    assert bool(part.render(made).strip()) == has(made, section)


def test_what_users_supply_is_escaped():
    html = render(comparisons.unusual())
    assert samples.NASTY not in html and "<script" not in html and samples.NASTY in read(html).text


def test_numbers_and_findings_are_on_the_page():
    made = comparisons.page(comparisons.comparison(40), quantised=True)
    text = " ".join(read(render(made)).text.split())
    found, summary = made.comparison, made.summary
    assert f"{summary.changed} of 40 predictions change." in text and summary.changed > 1
    first = found.first_diverging
    assert f"first differ by more than 5 % at {first.pair.one}" in text
    assert f"{summary.overlap * 100:.1f} %" in text and "nodes_to_exclude=[" in text
    assert f"{found.changed[0].one.margin:.3g}" in text
    assert "nodes_to_exclude" not in render(comparisons.page(comparisons.comparison(40)))


def test_nothing_changed_is_said_with_what_that_is_worth():
    rows = comparisons.comparison(40)
    same = comparisons.comparison(0)
    same = type(same)(**{**vars(same), "inputs": tuple(row for row in rows.inputs if row.agree), "threshold": 1.0})
    text = " ".join(read(render(comparisons.page(same))).text.split())
    count = len(same.inputs)
    share = 1.96**2 / (count + 1.96**2)  # Wilson's bound where nothing was seen
    assert f"No prediction changes on these {count} inputs. Fewer than {share * 100:.1f} %" in text
    assert "No layer's activations differ by more than 100 %" in text


def test_margins_of_another_class_tell_nothing_about_the_prediction():
    made = comparisons.page(comparisons.comparison(40))
    assert "The surest of them" in render(made)
    changed = made.comparison.changed
    apart = [replace(row, one=replace(row.one, target=(row.one.prediction + 1) % 3)) for row in changed]
    assert "The surest of them" not in render(comparisons.page(replace(made.comparison, inputs=tuple(apart))))


def test_answers_lost_and_gained_are_told_by_class():
    made = comparisons.page(comparisons.comparison(40))
    summary, text = made.summary, " ".join(read(render(made)).text.split())
    assert summary.lost + summary.gained > 0 and f"{summary.lost} right answers lost" in text
    first = summary.classes[0]
    assert f"{first.label} {first.inputs} {first.one / first.inputs * 100:.1f}".removesuffix(".0") in text
    turn = summary.turns[0]
    assert f"{turn.one} {turn.other} {turn.inputs}" in text and "not decided" in text
    sure = replace(summary, lost=40, gained=2, chance=1e-9)
    assert "B is worse" in render(replace(made, summary=sure))
    assert "B is better" in render(replace(made, summary=replace(sure, lost=2, gained=40)))


def test_runs_have_no_columns_of_activations():
    html = render(comparisons.CASES["runs"]())
    assert "kept in A" in html and "growth</th>" not in html and "growth</th>" in render(comparisons.CASES["many"]())


def test_what_is_in_one_run_alone_and_what_failed_is_named():
    names = tuple(f"in/{i}.png" for i in range(300))
    made = comparisons.page(comparisons.comparison(4, only_one=names), failures=[Failure("x", "in A: broken")])
    text = " ".join(read(render(made)).text.split())
    assert "300 of A, 0 of B" in text and names[199] in text and names[200] not in text and "100 more" in text
    assert "1 input failed" in text and "in A: broken" in text


def test_json_holds_every_input():
    plain = json.loads(to_json(comparisons.page(comparisons.comparison(40))))
    assert len(plain["comparison"]["inputs"]) == 40 and "items" not in plain
    entry = plain["comparison"]["inputs"][0]
    assert set(entry["maps"]["gradient"]) == {"cosine", "spearman"} and len(entry["by_layer"]) == 5
    assert plain["summary"]["first_diverging"] and plain["schema"] == 1


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize("name", comparisons.CASES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_in_a_browser(open_page, name, width, scheme):
    made = comparisons.CASES[name]()
    page = open_page(made, width, scheme)
    assert page.told == [] and [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.url.endswith("compare.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
    for link in page.locator("#compare-changed a").all()[:2]:
        link.click()
        assert page.locator(page.evaluate("location.hash")).bounding_box()["y"] < 900
