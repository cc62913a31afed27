"""Files of a report: whole or not there, refused before the work starts where they cannot be written."""

import json
import os

import numpy as np
import pytest

from onnxpath import files
from onnxpath.errors import JobError
from onnxpath.files import write_bytes
from onnxpath.report import write
from onnxpath.report.plain import compact
from onnxpath.report.write import check_writable, file_stem, into, save_arrays, write_report

from . import samples


def test_report_is_two_files_and_can_be_written_again(tmp_path):
    folder = tmp_path / "new" / "out"
    check_writable(folder)
    assert list(tmp_path.iterdir()) == []
    for count in (3, 1):
        page = write_report(folder, samples.report(count))
        assert page == folder / "report.html" and page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert len(json.loads((folder / "report.json").read_text(encoding="utf-8"))["items"]) == count
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(JobError, match=r"cannot be written: .*; results are kept there"):
            check_writable(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(JobError, match="Permission denied"):
        check_writable(tmp_path)
    with pytest.raises(JobError, match="Permission denied"):
        write_report(tmp_path, samples.report(0))


def test_permission_denied_is_a_job_error(tmp_path, monkeypatch):
    def refuse(**named):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(write.tempfile, "TemporaryFile", refuse)
    with pytest.raises(JobError, match="Permission denied"):
        check_writable(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_bytes(path, b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(JobError, match="No space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_drawn_writes_nothing(tmp_path):
    report = samples.report(1)
    report.run.versions = {"bad": {1, 2}}
    with pytest.raises(TypeError):
        write_report(tmp_path, report)
    assert list(tmp_path.iterdir()) == []


def test_arrays_and_their_json(tmp_path):
    item = samples.item(1)
    values = np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)
    row = save_arrays(into(tmp_path), 7, item, {"gradient": values, "logits": np.arange(3)})
    path = item.arrays
    assert path.startswith("arrays/000007/") and row == compact(item)
    with np.load(tmp_path / path) as loaded:
        np.testing.assert_array_equal(loaded["gradient"], values)
    facts = json.loads((tmp_path / path).with_suffix(".json").read_text(encoding="utf-8"))
    contents = facts.pop("contents")
    assert facts == json.loads(row) and facts["arrays"] == path and facts["name"] == item.name
    assert contents["gradient"] == {"dtype": "float32", "shape": [3, 4, 4]} and list(contents) == ["gradient", "logits"]


@pytest.mark.parametrize(
    "name", ["a.png", "a/b.png", "../../etc/passwd", "", "..", "ü ö\n.png", "x" * 300, "set.npz[3]"]
)
def test_file_stems_are_safe(name, tmp_path):
    stem = file_stem(name)
    assert "/" not in stem and not stem.startswith(".") and len(stem) < 80
    (tmp_path / f"{stem}.npz").write_bytes(b"")


def test_file_stems_differ_where_names_differ():
    assert file_stem("a/b.png") != file_stem("a-b.png")
