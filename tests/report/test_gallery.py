"""The gallery in a browser: filters, counts, orders, pages, addresses, keys; in one file and with data files."""

import re

import pytest

from tests.conftest import BROWSER

from . import samples
from .large import FAILED, UNIT

pytestmark = pytest.mark.needs(BROWSER, "playwright")
PAGE = 120


def shown(page):
    """Numbers of the inputs whose tiles are there, in order."""
    links = page.locator("#tiles a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    return [int(re.match(r"#item-(\d+)", link)[1]) for link in links]


def address(page):
    return page.evaluate("location.hash")


def follow(page, address):
    """Go to an address as a link does."""
    page.evaluate(
        """to => new Promise((done) => {
          addEventListener("hashchange", () => setTimeout(done), { once: true });
          location.hash = to;
        })""",
        address,
    )


def first(item):
    return item["predictions"][0]


FILTERS = {
    "class=3": lambda i: first(i)["index"] == 3,
    "label=4": lambda i: i["label"] is not None and i["label"]["index"] == 4,
    "correct=1": lambda i: i["label"] is not None and i["label"]["index"] == first(i)["index"],
    "correct=0": lambda i: i["label"] is not None and i["label"]["index"] != first(i)["index"],
    "kept=1": lambda i: i["pathway"]["kept"],
    "kept=0": lambda i: not i["pathway"]["kept"],
    "warnings=1": lambda i: bool(i["warnings"]),
    "warnings=0": lambda i: not i["warnings"],
    "name=7.P": lambda i: "7.p" in i["name"],
    "confidence-from=0.5": lambda i: first(i)["softmax"] >= 0.5,
    "margin-to=1": lambda i: i["pathway"]["margin"] <= 1,
    "confidence-from=0.3&confidence-to=0.4": lambda i: 0.3 <= round(first(i)["softmax"], 5) <= 0.4,
    "kept=1&correct=0&name=1": lambda i: FILTERS["kept=1"](i) and FILTERS["correct=0"](i) and "1" in i["name"],
}
ORDERS = {
    "confidence": lambda i: first(i)["softmax"],
    "-confidence": lambda i: -first(i)["softmax"],
    "margin": lambda i: i["pathway"]["margin"],
    "-warnings": lambda i: -len(i["warnings"]),
}


def with_numbers(data):
    """(number, item) of the inputs that were explained."""
    return [(place + (place >= FAILED), item) for place, item in enumerate(data["items"])]


def test_filters_leave_what_they_say(at, large):
    page = at("#gallery?class=3")
    for query, passes in FILTERS.items():
        wanted = [n for n, item in with_numbers(large[1]) if passes(item)]
        if query != "class=3":
            follow(page, f"#gallery?{query}")
        assert shown(page) == wanted[:PAGE] and 0 < len(wanted) < 131, query
        assert page.locator("#count").inner_text() == f"{len(wanted)} of 131 inputs"
    assert page.told == []


def test_orders(at, large):
    page = at()
    for order, value in ORDERS.items():
        pairs = sorted(with_numbers(large[1]), key=lambda pair: (value(pair[1]), pair[0]))
        follow(page, f"#gallery?sort={order}")
        keys = {n: round(value(item), 4) for n, item in pairs}  # the index holds five digits
        assert [keys[n] for n in shown(page)] == [keys[n] for n, _ in pairs[:PAGE]], order


def test_numbers_of_the_confusion_matrix_lead_to_their_inputs(at, large):
    page = at()
    link = page.locator(".confusion a[href*='label=4']").first
    count = int(link.inner_text())
    link.click()
    page.wait_for_url(lambda url: "#gallery?class=" in url)
    said, label = map(int, re.findall(r"=(\d+)", address(page)))
    wanted = [
        n for n, i in with_numbers(large[1]) if i["label"] and (first(i)["index"], i["label"]["index"]) == (said, 4)
    ]
    assert label == 4 and shown(page) == wanted and len(wanted) == count > 0


def test_order_by_name_counts_as_people_do(at, large):
    names = {n: item["name"] for n, item in with_numbers(large[1])}
    seen = [names[n] for n in shown(at("#gallery?sort=-name&name=1.png"))]
    numbers = [int(re.findall(r"\d+", name)[-1]) for name in seen if "/" not in name]
    assert numbers == sorted(numbers, reverse=True) and 121 in numbers and 51 in numbers


def test_what_is_chosen_is_in_the_address_and_counted(at, large):
    items = with_numbers(large[1])
    page = at()
    assert page.locator("#filters").is_visible() and address(page) == ""
    page.locator("select[name=correct]").select_option("0")
    assert address(page) == "#gallery?correct=0"
    wrong = [(n, i) for n, i in items if FILTERS["correct=0"](i)]
    for option in page.locator("select[name=class] option").all()[1:]:
        count = sum(first(i)["index"] == int(option.get_attribute("value")) for _, i in wrong)
        assert option.text_content().endswith(f"({count})")
    page.locator("select[name=class]").select_option("3")
    page.locator("input[name=name]").fill("1")
    assert address(page) == "#gallery?name=1&class=3&correct=0"
    assert shown(page) == [n for n, i in wrong if first(i)["index"] == 3 and "1" in i["name"]]
    page.locator("#filters button[type=reset]").click()
    assert len(shown(page)) == PAGE and address(page) == "#gallery"
    page.locator("input[name=name]").fill("no such name")
    assert page.locator("#empty").is_visible() and shown(page) == []
    page.locator("#empty button").click()
    assert len(shown(page)) == PAGE and page.locator("input[name=name]").input_value() == ""


def test_filters_that_would_change_nothing_are_not_there(at):
    page = at()
    assert page.locator("select[name=label]").is_visible() and page.locator("select[name=correct]").is_visible()
    page.locator("summary", has_text="ranges").click()
    assert page.locator("input[name=margin-from]").is_visible()
    assert not page.locator("input[name=density-from]").is_visible()  # one density fits all


def test_every_input_is_on_a_page_and_few_are_in_the_document(at, large):
    page = at()
    seen = shown(page)
    assert len(seen) == PAGE and page.locator("article").count() == 0
    assert page.evaluate("document.querySelectorAll('*').length") < 3500
    page.locator("#pages button[aria-label='Next page']").click()
    assert address(page) == "#gallery?page=2"
    assert seen + shown(page) == [n for n, _ in with_numbers(large[1])]
    assert page.locator("#pages button[aria-label='Next page']").is_disabled()
    page.locator("#pages input").fill("1")
    page.locator("#pages input").press("Enter")
    assert shown(page) == seen and address(page) == "#gallery"


def test_only_what_is_seen_is_loaded_and_only_from_beside(at, large):
    page = at("#gallery?name=51.png")
    page.wait_for_selector("#tiles svg")
    folder = large[0].as_uri()
    files = [url.removeprefix(f"{folder}/") for url in page.asked if not url.startswith("data:")]
    numbers = [n for n, item in with_numbers(large[1]) if "51.png" in item["name"]]
    tiles = [f"page/tiles-{unit:06d}.js" for unit in sorted({n // UNIT for n in numbers})]
    assert files == ["report.html", "page/index.js", *tiles] and page.told == []


def test_thumbnails_are_the_inputs(at, large):
    """The first tile's picture against that of its card."""
    from .test_browser import pixels_of

    page = at("#gallery?name=77.png")
    page.wait_for_selector("#tiles svg")
    page.wait_for_timeout(100)
    small = pixels_of(page, "#tiles svg", 16)
    page.locator("#tiles a").click()
    page.wait_for_selector("#viewer .photo svg")
    page.wait_for_timeout(100)
    exact = pixels_of(page, "#viewer .photo svg", 16)
    assert abs(small - exact).mean() < 45  # lossy, and noise is hard to pack
    page.keyboard.press("Escape")
    other = at("#gallery?name=78.png")
    other.wait_for_selector("#tiles svg")
    other.wait_for_timeout(100)
    assert abs(pixels_of(other, "#tiles svg", 16) - exact).mean() > 60


def test_keys_of_the_gallery(at):
    page = at()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "name"
    page.keyboard.type("j?")
    assert page.locator("input[name=name]").input_value() == "j?" and not page.locator("#keys").is_visible()
    page.locator("#filters button[type=reset]").click()
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#keys").is_visible()
    for key, number in [("j", 0), ("j", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("k", 0), ("k", 0)]:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.number") == str(number)
    page.keyboard.press("Enter")
    assert address(page) == "#item-0" and page.locator("#viewer").is_visible()


def test_cards_of_a_small_run_follow_the_filters(open_page):
    report = samples.report(12)
    page = open_page(report)
    page.locator("select[name=kept]").select_option("0")
    page.locator("select[name=sort]").select_option("-name")
    wanted = [f"item-{n}" for n in (9, 6, 3, 0)]
    cards = page.locator("article:visible")
    assert cards.evaluate_all("all => all.map(one => one.id)") == wanted
    assert shown(page) == [int(one[5:]) for one in wanted]
    page.locator("#filters button[type=reset]").click()
    assert page.locator("article:visible").count() == 12 and page.told == []


def test_without_scripts_a_large_page_says_where_its_inputs_are(browser, large):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((large[0] / "report.html").as_uri())
    assert "Without scripts, see report.json and arrays/" in page.locator("#items").inner_text()
    assert "The gallery of a large run is shown by a script" in page.locator("#gallery").inner_text()
    assert page.locator("form:visible, dialog:visible, button:visible").count() == 0
    assert "131" in page.locator("#overview").inner_text()
    context.close()
