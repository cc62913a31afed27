"""Data files beside the page of a large run: all inputs are in them, the same bytes in every run, and resumed."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import onnxpath
from benchmarks.resume import make_inputs
from onnxpath import files
from onnxpath.errors import JobError
from onnxpath.report.encode import SHEET_COLUMNS, sheet_uri
from onnxpath.report.index import COLUMNS, index_pieces
from onnxpath.report.job import beside, datafiles
from tests.models import FOLDER, sample

from . import samples
from .test_page import check_page, read

UNIT = 6
CARDS = [f"cards-{unit:06d}.js" for unit in range(7)]
TILES = [f"tiles-{unit:06d}.js" for unit in range(7)]


def go(inputs, out, **options):
    return onnxpath.report(
        sample("digits_cnn"), [inputs], out, preprocess=FOLDER / "preprocess.toml", unit=UNIT, threads=1, **options
    )


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(beside, "INLINE", 20)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Forty pictures, number 17 damaged, and the folder of their report with data files."""
    folder = tmp_path_factory.mktemp("large")
    inputs = make_inputs(folder / "in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "INLINE", 20)
        made = go(inputs, folder / "out")
    return inputs, folder / "out", json.loads(made.data.read_text("utf-8"))


def called(path, function):
    """The arguments that a data file calls its function with, as Python reads them."""
    head, _, call = path.read_text("utf-8").rpartition("onnxpath.")
    assert re.fullmatch(r"(// [0-9a-f]{64}\n)?", head) and call.startswith(f"{function}(") and call.endswith(");\n")
    return json.loads(f"[{call[len(function) + 1 : -3]}]")


def contents(out):
    return {path.name: path.read_bytes() for path in (out / "page").iterdir()}


def test_every_input_is_in_one_data_file(large):
    _, out, data = large
    assert sorted(contents(out)) == sorted([*CARDS, *TILES, "index.js"])
    names = []
    for unit, name in enumerate(CARDS):
        number, cards = called(out / "page" / name, "cards")
        assert number == unit and len(cards) == min(UNIT, 40 - unit * UNIT)
        for place, card in enumerate(cards):
            if unit * UNIT + place == 17:
                assert card is None
                continue
            ids = [attrs.get("id") for tag, attrs in read(card).tags if tag == "article"]
            assert ids == [f"item-{unit * UNIT + place}"]
            names.append(re.search(r"<h3[^>]*><a[^>]*>([^<]+)<", card)[1])
    assert names == [item["name"] for item in data["items"]] and len(names) == 39


def test_the_index_has_the_numbers_of_every_input(large):
    _, out, data = large
    (found,) = called(out / "page" / "index.js", "index")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    assert found["unit"] == UNIT and found["pictures"] == list(range(7)) and [*found["columns"]] == ["number", *COLUMNS]
    assert [row["number"] for row in rows] == [n for n in range(40) if n != 17]
    classes = dict(found["classes"])
    for row, item in zip(rows, data["items"], strict=True):
        first, path = item["predictions"][0], item["pathway"]
        assert (row["name"], row["class"], classes[row["class"]]) == (item["name"], first["index"], first["name"])
        assert (row["label"], row["correct"], row["kept"]) == (None, None, int(path["kept"]))
        wanted = [first["softmax"], path["margin"], path["density"]]
        np.testing.assert_allclose([row["confidence"], row["margin"], row["density"]], wanted, rtol=1e-4)
        assert row["warnings"] == len(item["warnings"])
    limits = [item["maps"][1]["limit"] for item in data["items"]]
    assert found["limits"]["gradient"] == pytest.approx(np.median(limits), rel=1e-4)


def test_the_page_of_a_large_run_holds_no_input_and_loads_only_by_its_script(large):
    _, out, _ = large
    html = (out / "report.html").read_text("utf-8")
    policy = re.search(r"script-src '(sha256-[^']+)' 'strict-dynamic';", html)
    assert policy
    page = check_page(html.replace(" 'strict-dynamic'", "", 1), elsewhere=True)
    assert sum(tag == "article" for tag, _ in page.tags) == 0 and "<b>39</b> inputs explained" in html
    assert len(html) < 150_000


def test_data_files_are_the_same_bytes_in_every_run_and_nothing_is_read_again_for_them(large, tmp_path, monkeypatch):
    inputs, out, _ = large
    monkeypatch.setattr(beside, "restored", lambda *_: pytest.fail("drawn again"))
    go(inputs, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(out)


@pytest.mark.parametrize("after", [0, 1, 4, 9])
def test_a_run_that_was_stopped_while_it_wrote_them_goes_on(large, tmp_path, monkeypatch, after):
    inputs, out, _ = large
    folder = tmp_path / "out"
    shutil.copytree(out, folder)
    shutil.rmtree(folder / "page")
    (folder / "report.html").unlink()
    replace, left, written = files.os.replace, [after], []

    def failing(source, target):
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(JobError, match=r"No space left on device(.|\n)*40 of 40 inputs are finished"):
        go(inputs, folder)
    there = contents(folder)
    assert len(there) == after and not (folder / "report.html").exists()
    (folder / "page").mkdir(exist_ok=True)
    (folder / "page" / ".index.js.1.part").write_bytes(b"half")

    def watching(source, target):
        written.append(target.name)
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", watching)
    go(inputs, folder)
    assert contents(folder) == contents(out)
    done = [name for name in CARDS if name in there]
    assert not set(done) & set(written) and set(written) >= {*CARDS, "index.js", "report.html"} - set(done)


def test_units_are_drawn_as_they_are_finished(large, tmp_path, monkeypatch):
    inputs, out, _ = large
    replace = files.os.replace

    def failing(source, target):
        if target.name == "000004.jsonl":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(JobError, match="24 of 40 inputs are finished"):
        go(inputs, tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == sorted([*CARDS[:5], *TILES[:5]])
    written = []

    def watching(source, target):
        written.append(target.name)
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", watching)
    go(inputs, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(out)
    assert sorted(name for name in written if name.startswith("cards")) == CARDS[4:]


def test_units_that_are_drawn_of_other_rows_or_by_another_template_are_drawn_again(large, tmp_path, monkeypatch):
    inputs, out, _ = large
    shutil.copytree(out, tmp_path / "out")
    path = tmp_path / "out" / "page" / CARDS[2]
    path.write_bytes(b"// " + b"0" * 64 + path.read_bytes()[67:])
    go(inputs, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(out)
    monkeypatch.setattr(datafiles, "_drawing", lambda: "another")
    go(inputs, tmp_path / "out")
    changed = [name for name, data in contents(tmp_path / "out").items() if data != contents(out)[name]]
    assert sorted(changed) == sorted([*CARDS, *TILES])


def test_nothing_explained_leaves_no_data_files(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(21):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"no picture")
    assert go(tmp_path / "in", tmp_path / "out").page is None
    assert not (tmp_path / "out").exists()


def test_a_sheet_holds_the_middle_of_every_picture():
    small = [np.full((16, 16, 3), (20 * n, 200 - 20 * n, 90), np.uint8) for n in range(9)]
    wide = np.zeros((16, 40, 3), np.uint8)
    wide[:, 12:28] = [250, 10, 10]
    sheet = decoded(sheet_uri([*small, None, wide]))
    assert sheet.shape == (32, 16 * SHEET_COLUMNS, 3)
    for place, wanted in [*enumerate(small), (9, np.full((16, 16, 3), 128))]:
        row, column = divmod(place, SHEET_COLUMNS)
        seen = sheet[row * 16 :, column * 16 :][4:12, 4:12]  # lossy where two meet
        assert np.abs(seen.astype(int) - wanted[4:12, 4:12]).max() < 12, place
    assert sheet[20:28, 36:44, 0].min() > 200 and sheet[20:28, 36:44, 1].max() < 60
    assert sheet_uri([None, None]) is None
    assert decoded(sheet_uri([np.zeros((300, 200, 3), np.uint8)])).shape == (64, 64 * SHEET_COLUMNS, 3)


def decoded(uri):
    import base64
    import io

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def test_the_index_of_unusual_inputs_is_json_without_markup():
    report = samples.unusual()
    text = "".join(index_pieces(enumerate(report.items)))
    found = json.loads(text)
    assert "<" not in text and found["rows"][0][1] == samples.NASTY
    assert dict(found["classes"])[samples.NASTY] == samples.NASTY  # a label that is known by its name alone
    assert json.loads("".join(index_pieces([])))["rows"] == []
