"""Where results may go, beside the files and folders that inputs are found in."""

from pathlib import Path

import pytest

from onnxpath.batch.found import check_apart, find_files
from onnxpath.errors import InputError

SEARCHED = [
    ("images", "images"),
    ("images", "images/out/deep"),
    ("images", "elsewhere/../images/out"),
    ("images", "link/out"),
    ("images/*.png", "images"),
    ("images/*", "images"),
    ("images/*/*.png", "images"),
    ("images/*/*.npz", "images/out"),
    ("images/**/*.png", "images/out/deep"),
    ("images/o*/**/*.png", "images/out"),
]
APART = [
    ("images", "out"),
    ("images", "images-out"),
    ("images", "."),
    ("images", "images/.out"),
    ("images", "images/out-link"),
    ("images/a.png", "images"),
    ("images/list.csv", "images"),
    ("images/*.png", "images/out"),
    ("images/*.jpg", "images"),
    ("images/c*/*.png", "images/out"),
    ("images/c*/**/*.png", "images/out"),
]


@pytest.fixture
def at(tmp_path, monkeypatch):
    for folder in ("images/out/deep", "images/.out", "out", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "images" / "a.png").write_bytes(b"")
    (tmp_path / "images" / "list.csv").write_text("path\na.png\n")
    (tmp_path / "link").symlink_to("images")
    (tmp_path / "images" / "out-link").symlink_to("../out")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("named", "out"), SEARCHED)
def test_results_cannot_go_where_inputs_are_searched(at, named, out):
    kind = "pattern" if "*" in named else "folder"
    with pytest.raises(InputError) as error:
        check_apart([Path("out"), Path(named)], Path(out))
    assert f"results cannot go to '{Path(out)}'" in str(error.value)
    assert f"by {kind} '{named}', and" in str(error.value) and "-o" in str(error.value)


@pytest.mark.parametrize(("named", "out"), APART)
def test_results_may_go_where_nothing_is_searched(at, named, out):
    check_apart([Path(named)], Path(out))


@pytest.mark.parametrize(("named", "out", "again"), [*((*p, True) for p in SEARCHED), *((*p, False) for p in APART)])
def test_what_is_refused_is_what_would_be_found(at, named, out, again):
    """The search itself, once one file of each kind lies in the folder of results and in two folders below."""
    for folder in (out, f"{out}/cats", f"{out}/cats/1"):
        Path(folder).mkdir(exist_ok=True)
        for suffix in ("png", "npz"):
            Path(folder, f"result.{suffix}").write_bytes(b"")
    found = find_files([Path(named)]) if list(Path().glob(named)) else []
    assert any(file.name.startswith("result") for _, file in found) == again


def test_a_folder_that_is_not_there_is_no_folder_to_search(at):
    check_apart([Path("nothing"), Path("nothing/*.png")], Path("nothing/out"))
