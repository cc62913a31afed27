"""One input by itself: opened and left, next and previous, scales, overlays, what may run, phones, contrast, print."""

import re
import shutil

import numpy as np
import pytest

from onnxpath.report.colour import map_rgb, overlay
from onnxpath.report.write import write_report
from tests.conftest import BROWSER

from . import samples
from .large import HOSTILE
from .test_browser import pixels_of
from .test_gallery import address, first, follow, shown, with_numbers

pytestmark = pytest.mark.needs(BROWSER, "playwright")
CARD = "#viewer article"


def opened(page):
    """Id of the card that is open, once it is there."""
    page.wait_for_selector(CARD)
    return page.locator(CARD).get_attribute("id")


def wait_for(page, number):
    page.wait_for_selector(f"#viewer #item-{number}")


def test_an_input_is_opened_by_its_tile_and_left_again(at):
    page = at("#gallery?sort=-confidence")
    order = shown(page)
    page.locator("#tiles a").nth(3).click()
    assert opened(page) == f"item-{order[3]}" and address(page) == f"#item-{order[3]}?sort=-confidence"
    assert page.locator("#viewer .place").inner_text() == "4 of 131"
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: url.endswith("#gallery?sort=-confidence"))
    assert page.locator("#viewer:visible").count() == 0
    assert page.evaluate("document.activeElement.dataset.number") == str(order[3])
    page.locator("#tiles a").nth(5).click()
    wait_for(page, order[5])
    page.go_back()
    page.wait_for_selector("#viewer:not([open])", state="attached")
    page.go_forward()
    wait_for(page, order[5])
    page.locator("#viewer button[name=close]").click()
    assert page.locator("#viewer:visible").count() == 0 and page.told == []


def test_next_and_previous_follow_filters_and_order(at, large):
    page = at("#gallery?class=9&sort=margin")
    order = shown(page)
    page.locator("#tiles a").first.click()
    wait_for(page, order[0])
    assert page.locator("#viewer button[name=previous]").is_disabled()
    for key, place in [("j", 1), ("ArrowRight", 2), ("k", 1), ("ArrowLeft", 0), ("k", 0)]:
        page.keyboard.press(key)
        wait_for(page, order[place])
    for place in range(1, len(order)):
        page.locator("#viewer button[name=next]").click()
        wait_for(page, order[place])
    assert page.locator("#viewer button[name=next]").is_disabled()
    names = dict(with_numbers(large[1]))
    assert page.locator(f"{CARD} h3").inner_text() == names[order[-1]]["name"]
    # Another page of the gallery is turned to when the input on it is left.
    follow(page, "#item-131")
    wait_for(page, 131)
    page.keyboard.press("/")
    assert address(page) == "#gallery?page=2" and page.evaluate("document.activeElement.name") == "name"


def test_an_address_opens_an_input_that_filters_leave_out(at, large):
    number, item = next((n, i) for n, i in with_numbers(large[1]) if first(i)["index"] != 3)
    page = at(f"#item-{number}?class=3")
    assert opened(page) == f"item-{number}"
    assert page.locator(f"{CARD} h3").inner_text() == item["name"]
    assert page.locator("#viewer .place").inner_text() == "not among the inputs shown"
    page.keyboard.press("j")
    page.wait_for_selector(f"#viewer #item-{number}", state="detached")
    assert page.locator("#viewer .place").inner_text().startswith("1 of")
    follow(page, "#item-20")  # which failed
    assert "There is no input 20" in page.locator("#viewer .held").inner_text()
    follow(page, "#item-999999")
    assert "There is no input 999999" in page.locator("#viewer .held").inner_text()


def test_a_file_that_is_gone_is_named(at, large, tmp_path):
    page = at()
    shutil.copytree(large[0], tmp_path / "copy")
    (tmp_path / "copy" / "page" / "cards-000003.js").unlink()
    page.goto((tmp_path / "copy" / "report.html").as_uri() + "#item-24")
    page.wait_for_selector("text=page/cards-000003.js cannot be loaded")
    shutil.rmtree(tmp_path / "copy" / "page")
    page.goto((tmp_path / "copy" / "report.html").as_uri() + "?again")
    page.wait_for_selector("text=page/index.js cannot be loaded: it belongs beside this page")


def three_maps():
    """One input with maps of very different sizes."""
    report = samples.report(3)
    item = report.items[1]
    rng = np.random.default_rng(3)
    item.maps.append(samples.make_map("small", 0.1 * rng.normal(size=(3, 16, 16)), 0))
    report.items[0].maps[0] = samples.make_map("gradient", 3 * rng.normal(size=(3, 16, 16)), 0)
    return report


def test_scales_of_maps(open_page):
    report = three_maps()
    page = open_page(report)
    follow(page, "#item-1")
    wait_for(page, 1)
    maps = report.items[1].maps
    median = sorted(item.maps[0].limit for item in report.items)[1]
    limits = {"": [m.limit for m in maps], "input": [maps[0].limit] * 2, "run": [median, maps[1].limit]}
    assert maps[0].limit > 5 * maps[1].limit
    for kind, wanted in limits.items():
        page.locator("select[name=scale]").select_option(kind)
        assert address(page) == f"#item-1{f'?scale={kind}' * bool(kind)}"
        for place, (entry, limit) in enumerate(zip(maps, wanted, strict=True)):
            figure = f"{CARD} .map >> nth={place}"
            colours = map_rgb(np.clip(entry.values, -entry.limit, entry.limit), limit)
            seen = pixels_of(page, f"{figure} >> .pic >> nth=0", 16)[1:-1, 1:-1]
            assert np.abs(seen - colours.astype(int)[1:-1, 1:-1]).max() <= 6, (kind, place)
            ends = page.locator(f"{figure} >> .axis span").all_inner_texts()
            assert float(ends[2]) == pytest.approx(limit, rel=0.01) and ends[0] == ends[2].replace("+", "−")
            rule = page.locator(f"{figure} >> .clipping").inner_text()
            said = {"": "99.9th percentile", "input": "the largest limit of this input's maps", "run": "median limit"}
            assert said[kind] in rule and ("is drawn as" in rule) == (limit > entry.limit * 1.001)
    page.keyboard.press("j")
    wait_for(page, 2)
    assert page.locator("select[name=scale]").input_value() == "run" and page.told == []


def test_overlays_of_any_strength(open_page):
    report = samples.report(2)
    page = open_page(report)
    follow(page, "#item-1")
    wait_for(page, 1)
    entry, picture = report.items[1].maps[0], report.items[1].shown
    for strength in (100, 0):
        page.locator("input[name=overlay]").fill(str(strength))
        wanted = overlay(picture, entry.values if strength else np.zeros((16, 16)), entry.limit)
        seen = pixels_of(page, f"{CARD} .pair .pic >> nth=1", 16)[1:-1, 1:-1]
        assert np.abs(seen - wanted.astype(int)[1:-1, 1:-1]).max() <= 4, strength
    page.locator("input[name=overlay]").focus()
    page.keyboard.press("ArrowRight")
    assert opened(page) == "item-1"  # an arrow moves the slider here


def test_the_card_of_a_small_run_goes_back_to_its_place(open_page):
    page = open_page(samples.report(5))
    page.locator("#tiles a").nth(2).click()
    wait_for(page, 2)
    page.keyboard.press("j")
    wait_for(page, 3)
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: url.endswith("#gallery"))
    ids = page.locator("#items > article").evaluate_all("all => all.map(one => one.id)")
    assert ids == [f"item-{n}" for n in range(5)]


def test_no_name_runs(at, large):
    page = at("#gallery?name=evil")
    numbers = shown(page)
    assert len(numbers) == 2
    for number in numbers:
        follow(page, f"#item-{number}?name=evil")
        wait_for(page, number)
    assert page.locator(f"{CARD} h3").inner_text() == HOSTILE
    assert page.evaluate("window.evil") is None and page.told == []


def test_the_browser_runs_nothing_that_is_smuggled_in(at, large, tmp_path):
    """Were there a hole in the escaping, the policy would still let nothing run."""
    page = at()
    shutil.copytree(large[0], tmp_path / "copy")
    html = (tmp_path / "copy" / "report.html").read_text("utf-8")
    hole = "<script>window.evil=1</script><script src='page/evil.js'></script><img src=x onerror='window.evil=3'>"
    hole += "<base href='https://example.org/'><a id=smuggled href='javascript:window.evil=4'>x</a>"
    (tmp_path / "copy" / "report.html").write_text(html.replace("<main>", f"{hole}<main>"), "utf-8")
    (tmp_path / "copy" / "page" / "evil.js").write_text("window.evil=2")
    cards = tmp_path / "copy" / "page" / "cards-000000.js"
    cards.write_text(
        cards.read_text("utf-8").replace("<article", "<img src=x onerror='window.evil=5'><article"), "utf-8"
    )
    page.goto((tmp_path / "copy" / "report.html").as_uri() + "#item-0")
    wait_for(page, 0)
    page.evaluate("document.getElementById('smuggled').click()")
    page.wait_for_timeout(200)
    assert page.evaluate("window.evil") is None
    refused = [text for text in page.told if re.search("Content Security Policy", text)]
    assert len(refused) >= 5


def test_an_address_alone_shows_the_card_from_its_top(browser, tmp_path):
    """The browser scrolls to what the address names, too."""
    page = browser.new_page(viewport={"width": 1280, "height": 500})
    page.goto(write_report(tmp_path, samples.report(12)).as_uri() + "#item-7")
    wait_for(page, 7)
    page.wait_for_timeout(300)
    bar, title = (page.locator(f"#viewer {name}").bounding_box() for name in (".bar", "h3"))
    assert title["y"] >= bar["y"] + bar["height"]
    page.close()


@pytest.mark.parametrize("address_", ["", "#gallery?correct=0&confidence-from=0", "#item-3"])
def test_a_phone_scrolls_down_only(at, address_):
    page = at(address_, viewport={"width": 360, "height": 740})
    if "item" in address_:
        wait_for(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(at, scheme):
    page = at("#gallery?correct=0&sort=margin", color_scheme=scheme)
    poor = page.evaluate(CONTRAST, "#gallery")
    follow(page, "#item-3")
    wait_for(page, 3)
    assert poor + page.evaluate(CONTRAST, "#viewer") == []


CONTRAST = r"""where => {
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const numbers = text => text.match(/[\d.]+/g).map(Number);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.querySelector(where), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !one.checkVisibility() || one.closest(":disabled, .sr, svg, option")) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([walk.currentNode.data.trim().slice(0, 40), ratio]);
  }
  return poor;
}"""


def test_print(at):
    page = at("#item-3")
    wait_for(page, 3)
    page.emulate_media(media="print")
    assert page.locator(CARD).is_visible()
    assert page.locator(".bar:visible, #overview:visible, #filters:visible, #gallery:visible").count() == 0
    assert page.pdf(print_background=True).startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    assert page.locator("#tiles li:visible").count() == 120
    assert page.locator("#filters:visible, #pages:visible, nav:visible").count() == 0


def test_focus_and_names_for_those_who_do_not_see(at):
    page = at("#item-3")
    wait_for(page, 3)
    assert page.locator("#viewer svg:not([aria-hidden]):not([aria-label])").count() == 0
    unnamed = (
        "all => all.filter(one => !one.labels?.length && !one.getAttribute('aria-label') && !one.textContent.trim())"
    )
    assert page.locator("button, input, select").evaluate_all(f"({unnamed})") == []
    for _ in range(9):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || document.activeElement.closest('#viewer') !== null"
        assert page.evaluate(inside)  # what is behind is out of reach
