"""Reports in a real browser."""

import pytest

from onnxpath.report.write import write_report


@pytest.fixture
def open_page(browser, tmp_path):
    """Write a report, open it, and return the page; console messages and requests are collected on it."""
    opened = []

    def open_it(report, width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        page.told, page.asked = [], []
        page.on("console", lambda message: page.told.append(message.text))
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(write_report(tmp_path, report).as_uri())
        return page

    yield open_it
    for page in opened:
        page.close()
