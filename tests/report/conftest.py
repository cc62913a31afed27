"""Reports in a real browser."""

import pytest

from onnxpath.report.write import write_report

from .large import make_large


@pytest.fixture
def visit(browser):
    """Open an address in a new page; console messages and requests are collected on it."""
    opened = []

    def go(address, **options):
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        opened.append(page)
        page.told, page.asked = [], []
        page.on("console", lambda message: page.told.append(message.text))
        page.on("pageerror", lambda error: page.told.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        return page

    yield go
    for page in opened:
        page.close()


@pytest.fixture
def open_page(visit, tmp_path):
    """Write a report, open it, and return the page."""

    def open_it(report, width=1280, scheme="light"):
        address = write_report(tmp_path, report).as_uri()
        return visit(address, viewport={"width": width, "height": 900}, color_scheme=scheme)

    return open_it


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A run with data files beside its page."""
    return make_large(tmp_path_factory.mktemp("large"))


@pytest.fixture
def at(visit, large):
    """Open the page of the large run at an address."""

    def open_at(address="", **options):
        page = visit((large[0] / "report.html").as_uri() + address, **options)
        page.wait_for_selector("#count:not(:empty)")
        return page

    return open_at
