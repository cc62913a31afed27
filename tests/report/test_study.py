"""The page of analyses: every section on none, one and many, in text and in a browser."""

import json

import pytest

from onnxpath.report.charts import heat_map, value_chart
from onnxpath.report.page import render
from onnxpath.report.plain import to_json
from onnxpath.report.section import in_order
from tests.conftest import BROWSER

from . import samples, studies
from .test_page import check_page, read


@pytest.mark.parametrize("name", studies.CASES)
def test_page_is_whole_and_fetches_nothing(name):
    study = studies.CASES[name]()
    page = check_page(render(study))
    ids = {attrs.get("id") for tag, attrs in page.tags if tag == "section"}
    always = {part.name for part in in_order("pathways")} - {"layers", "overlap", "classes"}
    assert ids == always | set(study.analyses)


@pytest.mark.parametrize("section", [part.name for part in in_order("pathways")])
def test_a_section_is_there_where_its_analysis_is(section):
    (part,) = [p for p in in_order("pathways") if p.name == section]
    analysed = section in ("layers", "overlap", "classes")
    assert bool(part.render(studies.study(analyses=()))) != analysed and part.render(studies.study())


def test_what_users_supply_is_escaped():
    html = render(studies.unusual())
    assert samples.NASTY not in html and "<script" not in html and samples.NASTY in read(html).text


def test_numbers_are_on_the_page():
    study = studies.study()
    text = " ".join(read(render(study)).text.split())
    pair = study.analyses["overlap"].pair("x0", "x2").pooled
    assert f"{pair.jaccard * 100:.1f} %" in text and f"independent {pair.independent * 100:.1f} %" in text
    assert f"{study.analyses['layers'].selectors[0].density * 100:.2f} %" in text
    assert f"{study.analyses['classes'].selectors[0].pooled.between * 100:.1f} %" in text


def test_json_holds_the_results_and_not_the_maps():
    plain = json.loads(to_json(studies.study()))
    assert set(plain["analyses"]) == {"layers", "overlap", "classes"}
    assert plain["analyses"]["overlap"]["pairs"][0]["pooled"]["jaccard"] > 0 and "summary" not in plain
    assert "maps" not in plain["analyses"]["classes"]["selectors"][0]


def test_charts():
    chart = value_chart(["a", "b"], [0.1, 0.0], [0.4, 0.2], ("kept", "active"))
    assert chart.top == 0.4 and chart.kept == "M1 60v-15.0h8V60z" and chart.has_active
    assert chart.titles == ["a: 10.00% kept, 40.00% active", "b: 0.00% kept, 20.00% active"]
    assert value_chart(["a"], [2.5], None, ("of difference", "")).top == 3.0
    many = value_chart([str(i) for i in range(100)], [0.5] * 100, None, ("kept", ""))
    assert many.pooled == 2 and len(many.titles) == 50 and many.titles[0] == "0 … 1: 50.00% kept"
    assert value_chart([], [], None, ("", "")) is None
    table = heat_map(["r"], ["a", "b", "c"], [[0.2, None, 0.4]])
    assert [cell.shade for cell in table.rows[0][1]] == [0.5, 0.0, 1.0] and table.top == 0.4
    assert heat_map(["r"], ["a"], [[0.5]], top=1.0).rows[0][1][0].shade == 0.5
    assert heat_map(["r"], ["a"], [[0.0]]).rows[0][1][0].shade == 0.0
    lifted = heat_map(["r"], ["a", "b", "c", "d"], [[0.2, 0.3, 0.4, None]], low=0.2)
    assert [cell.shade for cell in lifted.rows[0][1]] == pytest.approx([0.0, 0.5, 1.0, 0.0]) and lifted.low == 0.2


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize("name", studies.CASES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_in_a_browser(open_page, name, width, scheme):
    page = open_page(studies.CASES[name](), width, scheme)
    assert page.told == [] and [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.url.endswith("pathways.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
    for cell in page.locator(".heat td:visible").all()[:3]:
        assert cell.evaluate(CONTRAST) >= 4.5


# The contrast of a cell's text with its background, by the definition of WCAG; color-mix gives color(srgb r g b).
CONTRAST = """e => {
  const parse = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => c.startsWith("color(") ? +v : v / 255);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = parse(c).map(linear); return .2126 * r + .7152 * g + .0722 * b; };
  const style = getComputedStyle(e), a = light(style.color), b = light(style.backgroundColor);
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}"""
