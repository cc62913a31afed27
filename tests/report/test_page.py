"""The page as text: every section on none, one and many inputs, nothing unescaped, nothing fetched, not too large."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from onnxpath.report.page import render
from onnxpath.report.section import EVERY_PAGE, SECTIONS, in_order

from . import samples

NAMES = [
    *("header", "overview", "accuracy", "class-overlap", "worth-a-look", "legend", "gallery", "items"),
    *("conservation", "failures", "warnings", "model", "run"),
]
SOMETIMES = ("accuracy", "class-overlap", "worth-a-look", "conservation")  # where there is something to say
ALWAYS = [name for name in NAMES if name not in SOMETIMES]


class Reader(HTMLParser):
    """Collects tags with attributes, ids and text; void and open tags are told apart to see that all are closed."""

    VOID = ("meta", "link", "input", "br", "image", "use", "path", "rect", "line", "fecolormatrix")

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not [tag for tag in reader.open if tag not in ("p", "li")]
    return reader


def test_sections_stand_in_order():
    assert [part.name for part in in_order()] == NAMES
    assert all(set(SECTIONS.get(name).pages) <= set(EVERY_PAGE) for name in SECTIONS.names())


@pytest.mark.parametrize("name", samples.CASES)
@pytest.mark.parametrize("section", ALWAYS)
def test_every_section_on_every_report(section, name):
    assert SECTIONS.get(section).render(samples.CASES[name]()).strip()


@pytest.mark.parametrize("name", samples.CASES)
def test_page_is_whole_and_fetches_nothing(name):
    report = samples.CASES[name]()
    page = check_page(render(report))
    assert set(ALWAYS) <= {attrs.get("id") for _, attrs in page.tags}
    assert sum(tag == "article" for tag, _ in page.tags) == len(report.items)


def check_page(html, elsewhere=False):
    """Read a page and check what every page keeps to: unique ids, one script, nothing fetched, pictures named.

    elsewhere: whether inputs are in data files, so that links to them lead to what the script shows.
    """
    page = read(html)
    check_scripts(html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert not [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "base", "embed")]
    for tag, attrs in page.tags:
        target = attrs.get("href") or attrs.get("src") or ""
        assert not re.match(r"(https?:)?//", target), target
        target = target.partition("?")[0]  # what follows is for the script: which inputs the gallery shows
        if target.startswith("#") and not (elsewhere and target.startswith("#item-")):
            assert target[1:] in ids, f"{tag} leads to {target}, which is not there"
        if tag == "svg" and attrs.get("aria-hidden") != "true":
            assert attrs["role"] == "img" and attrs["aria-label"]
        assert not [key for key in attrs if key.startswith("on")]
    return page


def check_scripts(html):
    """One script at most, the one whose hash the policy names; another script element holds data."""
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    found = re.findall(r"<script([^>]*)>(.*?)</script", html, re.DOTALL)
    run = [text for attrs, text in found if not attrs]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert rules.get("script-src", "") == " ".join(f"'sha256-{one}'" for one in hashes)
    data = [text for attrs, text in found if attrs == ' type="application/json" id="index"']
    assert len(run) <= 1 and len(run) + len(data) == html.count("<script")
    return json.loads(data[0]) if data else None


def test_what_users_supply_is_escaped():
    html = render(samples.unusual())
    index = check_scripts(html)
    assert samples.NASTY not in html and "<img" not in html and samples.NASTY in read(html).text
    assert index["rows"][0][1] == samples.NASTY


def test_numbers_of_an_input_are_on_the_page():
    text = " ".join(read(render(samples.report(2))).text.split())
    for said in (
        "clipped at the 99.9th percentile of |value| =",
        "summed over 3 channels",
        "90 % sparsity was asked for",
        "✕ prediction changed",
        "✓ prediction kept",
        "1 of 2 with a known label",
        "400 40 10 % 200",
    ):
        assert said in text


def test_failures_and_warnings_are_linked_from_the_top():
    html = SECTIONS.get("header").render(samples.unusual())
    assert "Failed (1)" in html and "Warnings (1)" in html
    assert "Failed" not in SECTIONS.get("header").render(samples.report(1))


def test_two_hundred_inputs_with_two_noisy_maps_of_224_pixels_fit_twelve_megabytes():
    """40 inputs stand for 200; photographs, 12 KB each, are left out. The noise is as dense as a map."""
    distance = np.hypot(*np.mgrid[-112:112, -112:112]) / 70
    noise = np.random.default_rng(0).laplace(size=(3, 224, 224)) * np.exp(-(distance**2))
    entry = samples.item(1, 224)
    entry.maps = [samples.make_map("gradient", noise, 0)] * 2
    entry.shown = np.zeros((224, 224, 3), np.uint8)
    report = samples.report(0)
    report.items = [entry] * 40
    assert len(render(report)) * 200 / 40 < 12_000_000 - 200 * 12_000
