"""Top channels of an input: in its row, in its raw arrays, on its card; as text, in a browser, on a phone."""

import pytest

from onnxpath.pathway.pathway import Pathway
from onnxpath.report.data import Item, LayerCount
from onnxpath.report.page import render
from onnxpath.report.plain import compact
from onnxpath.report.tops import leading, told
from onnxpath.typed import parse, read_as
from tests.conftest import BROWSER

from . import samples
from .test_gallery import with_numbers
from .test_page import read
from .test_viewer import CARD, wait_for


def test_as_text():
    assert told(LayerCount("a", 9, 3, 5, [3, 10, 0], [0.6125, 0.3, 0.0012])) == "3 (61 %), 10 (30 %), 0 (&lt;0.5 %)"
    assert told(LayerCount("a", 9, 1, 5, [7], [1.0])) == "7 (100 %)"
    assert told(LayerCount("a", 9, 0)) == "–"


def test_what_stands_out_over_all_layers():
    layers = [LayerCount(f"<{n}>", 9, 1, 5, [n, 0], [share, 0.01]) for n, share in enumerate([0.2, 0.5, 0.2, 0.1])]
    expected = "<code>&lt;1&gt;</code> 1 (50 %), <code>&lt;0&gt;</code> 0 (20 %), <code>&lt;2&gt;</code> 2 (20 %)"
    assert leading(layers).replace("&nbsp;", " ") == expected
    assert leading([LayerCount("none", 9, 0)]) == leading([]) == ""


def test_rows_hold_them_and_older_rows_are_read_without():
    item = samples.item(1)
    row = parse(compact(item))
    assert [(one["channels"], one["shares"]) for one in row["pathway"]["layers"]] == [
        ([3, 0, 2], [0.6125, 0.25, 0.0012]),
        ([], []),
    ]
    assert read_as(Item, row) == item
    for layer in row["pathway"]["layers"]:
        del layer["channels"], layer["shares"]
    older = read_as(Item, row)
    assert [layer.channels for layer in older.pathway.layers] == [[], []] and leading(older.pathway.layers) == ""


def test_pages_of_few_and_of_many_layers():
    text = " ".join(read(render(samples.report(1))).text.split())
    assert "kept in their layers: relu1 3 (61 %)" in text
    assert "2 layers in numbers, with their top channels" in text
    assert "200 3 (61 %), 0 (25 %), 2 (<0.5 %)" in text and "100 0 0 % 50 –" in text
    many = " ".join(read(render(samples.unusual())).text.split())
    assert "layer149 2 (99 %), layer148 1 (99 %), layer147 0 (98 %)" in many
    assert "All 150 layers in numbers: report.json." in many
    bare = samples.report(1)
    for layer in bare.items[0].pathway.layers:
        layer.channels, layer.shares = [], []
    assert "2 layers in numbers" in (said := read(render(bare)).text) and "in numbers, with" not in said


def test_a_row_says_what_its_raw_arrays_say(large):
    folder, report = large
    for _, item in with_numbers(report):
        pathway = Pathway.load(folder / item["arrays"])
        for layer, one in zip(item["pathway"]["layers"], pathway.layers, strict=True):
            assert (tuple(layer["channels"]), tuple(layer["shares"])) == (one.channels, one.shares)
            assert layer["channels"] or not layer["kept"]


@pytest.mark.needs(BROWSER, "playwright")
def test_the_card_of_an_input_lists_them(at, large):
    _, item = next(pair for pair in with_numbers(large[1]) if pair[0] == 3)
    page = at("#item-3")
    wait_for(page, 3)
    assert page.locator(f"{CARD} .tops").is_visible()
    page.locator(f"{CARD} .layer-chart summary").click()
    shown = page.locator(f"{CARD} .counts tbody td:last-child").all_inner_texts()
    assert shown == [told(read_as(LayerCount, layer)) for layer in item["pathway"]["layers"]]
    best = max(item["pathway"]["layers"], key=lambda layer: layer["shares"][:1])
    text = page.locator(f"{CARD} .tops").inner_text().replace("\u00a0", " ")
    assert f"kept in their layers: {best['name']} {best['channels'][0]} (" in text
    assert page.told == []


@pytest.mark.needs(BROWSER, "playwright")
def test_on_a_phone_a_layer_takes_three_lines(at):
    page = at("#item-3", viewport={"width": 360, "height": 740})
    wait_for(page, 3)
    page.locator(f"{CARD} .layer-chart summary").click()
    row = page.locator(f"{CARD} .counts tbody tr").first
    name, kept, tops = (row.locator(where).bounding_box() for where in ("th", "td:nth-child(3)", "td:last-child"))
    assert name["y"] + name["height"] <= kept["y"] and kept["y"] + kept["height"] <= tops["y"]
    assert name["width"] == tops["width"] > 300
    assert page.evaluate("document.getElementById('viewer').scrollWidth") <= 360
