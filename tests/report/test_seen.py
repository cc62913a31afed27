"""Pictures of a finished report are found again on its page and in its data files, and are the inputs' own."""

import shutil

import numpy as np
import pytest
from PIL import Image

import onnxpath
from onnxpath.batch.comparison import Compared
from onnxpath.report import runs
from onnxpath.report.compared import to_show
from onnxpath.report.seen import seen
from onnxpath.report.stored import read_run
from tests.models import FOLDER, sample

from .large import FAILED, HOSTILE
from .test_gallery import with_numbers


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a finished run of a few pictures, one of them larger than a page keeps exactly."""
    base = tmp_path_factory.mktemp("small")
    images = [shutil.copy(path, base) for path in sorted((FOLDER / "images").glob("*.png"))[:4]]
    (base / "broken.png").write_bytes(b"no picture")
    files = [images[0], base / "broken.png", *images[1:]]
    onnxpath.report(sample("digits_cnn"), files, base / "out", preprocess=FOLDER / "preprocess.toml")
    return base / "out"


def names_of(folder):
    return list(read_run(folder).items)


def original(file):
    return np.asarray(Image.open(file).convert("RGB"))


def test_those_of_a_page_that_holds_all(small):
    names = names_of(small)
    found = seen(small, names)
    assert list(found) == names and len(names) == 4
    for name, picture in found.items():
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, original(small.parent / name))
    assert list(seen(small, names[2:3])) == names[2:3] and seen(small, ["another"]) == {}


def test_those_of_data_files(large):
    folder, report = large
    files = {item["name"]: item["file"] for _, item in with_numbers(report)}
    names = [item["name"] for n, item in with_numbers(report) if n in (0, 7, 8, FAILED + 1, 129, 131)]
    names += [name for name in files if name.endswith(HOSTILE)]
    found = seen(folder, names)
    assert sorted(found) == sorted(set(names)) and len(found) >= 6
    for name, picture in found.items():
        np.testing.assert_array_equal(picture, original(files[name]))


def test_what_is_gone_or_damaged_has_no_picture(small, large, tmp_path):
    names = names_of(small)
    page = (small / "report.html").read_text("utf-8")
    texts = {
        "no page": None,
        "cut": page[: len(page) // 3],
        "no rows": page.replace('\n[0,"', '\n[0,["'),
        "bytes": b"\xff\xfe",
        "no base64": page.replace(";base64,", ";base64,A"),
        "other data": page.replace(";base64,", ";base64,AAAA"),
        "another kind": page.replace("data:image/", "data:text/"),
    }
    for kind, text in texts.items():
        folder = tmp_path / kind
        folder.mkdir()
        if text is not None:
            (folder / "report.html").write_bytes(text if isinstance(text, bytes) else text.encode())
        assert seen(folder, names) == {}, kind
    whole = names_of(large[0])
    copy = tmp_path / "large"
    shutil.copytree(large[0] / "page", copy / "page")
    (copy / "page" / "cards-000000.js").unlink()
    (copy / "page" / "cards-000001.js").write_text('// one\nonnxpath.cards(1,[\n"<p>",\n')
    assert not set(seen(copy, whole)) & set(whole[:16]) and set(seen(copy, whole)) == set(whole[16:])


def test_a_picture_with_more_pixels_than_the_limit_is_not_decoded(small, monkeypatch):
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", "255")
    assert seen(small, names_of(small)) == {}
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", "256")
    assert len(seen(small, names_of(small))) == 4


@pytest.mark.parametrize("bare", ["neither", "first", "both"])
def test_compared_reports_show_pictures_of_the_run_that_has_them(small, tmp_path, bare):
    one, other = (shutil.copytree(small, tmp_path / name) for name in ("one", "other"))
    for folder in {"neither": [], "first": [one], "both": [one, other]}[bare]:
        (folder / "report.html").unlink()
    first, second = read_run(one), read_run(other)
    rows = to_show(runs.compare_runs(first, second, 0.05))
    assert rows and all(isinstance(row, Compared) for row in rows)
    for item in runs.shown_items(first, second, rows):
        if bare == "both":
            assert item.shown is None
        else:
            np.testing.assert_array_equal(item.shown, original(small.parent / item.name))
