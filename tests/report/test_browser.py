"""The page in a real browser: no errors, no requests, every picture drawn, with and without its script."""

import numpy as np
import pytest

from onnxpath.report.colour import map_rgb, overlay
from onnxpath.report.section import in_order
from onnxpath.report.write import write_report
from tests.conftest import BROWSER

from . import samples

pytestmark = pytest.mark.needs(BROWSER, "playwright")


@pytest.mark.parametrize("name", samples.CASES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_opens_without_errors_requests_or_sideways_scrolling(open_page, name, width, scheme):
    report = samples.CASES[name]()
    page = open_page(report, width, scheme)
    assert page.told == []
    assert [url for url in page.asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("main > section").count() == sum(bool(part.render(report)) for part in in_order())
    assert page.locator("article").count() == len(report.items)
    assert page.locator("svg:not([aria-hidden]):not([aria-label]), img:not([alt])").count() == 0


def pixels_of(page, selector, size):
    """Screenshot of an element, read at the centres of its size×size cells."""
    import io

    from PIL import Image

    shot = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")
    places = (np.arange(size) + 0.5) / size
    rows, columns = (places * shot.height).astype(int), (places * shot.width).astype(int)
    return np.asarray(shot)[np.ix_(rows, columns)].astype(int)


def test_pictures_on_the_page_have_the_colours_of_the_data(open_page):
    report = samples.report(1)
    page = open_page(report)
    entry, shown = report.items[0].maps[0], report.items[0].shown
    expected = {
        ".photo .pic": shown,
        ".pair .pic >> nth=0": map_rgb(entry.values, entry.limit),
        ".pair .pic >> nth=1": overlay(shown, entry.values, entry.limit),
    }
    for selector, colours in expected.items():
        seen = pixels_of(page, selector, 16)[1:-1, 1:-1]  # the frame is drawn over the outermost cells
        assert np.abs(seen - colours.astype(int)[1:-1, 1:-1]).max() <= 3, selector


def test_without_scripts_everything_is_there(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_report(tmp_path, samples.report(12)).as_uri())
    assert page.locator("article:visible").count() == 12 == page.locator(".tiles li:visible").count()
    assert page.locator("form:visible, dialog:visible, button:visible").count() == 0
    page.locator(".tiles a").nth(7).click()
    assert page.url.endswith("#item-7")
    assert 0 <= page.locator("#item-7").bounding_box()["y"] < 900
    context.close()
