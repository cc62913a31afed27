"""A run that keeps what is finished: stopped, full disks, other configurations, two at once."""

import inspect
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

import onnxpath
from benchmarks.resume import hashes, make_inputs
from onnxpath import files
from onnxpath.batch import explain
from onnxpath.errors import InputError, JobError
from onnxpath.files import write_bytes
from onnxpath.report import build
from onnxpath.report.data import Item
from onnxpath.report.job.lock import LOCK, Lock
from onnxpath.report.job.prepare import prepare
from onnxpath.report.job.restore import restored
from onnxpath.report.job.store import differences
from onnxpath.report.write import into, save_arrays
from onnxpath.runtime.session import Session
from onnxpath.typed import read_as
from tests.models import FOLDER, sample

CNN, PREPROCESS = sample("digits_cnn"), FOLDER / "preprocess.toml"
RULE = "softmax-change<=0.5"


def go(inputs, out, **options):
    """A report in units of six."""
    return onnxpath.report(CNN, [inputs], out, **{"preprocess": PREPROCESS, "unit": 6, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Forty pictures, one of them damaged, and the folder of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    inputs = make_inputs(folder / "in")
    made = go(inputs, folder / "out", sparsity=RULE)
    assert (made.inputs, made.explained, [f.name for f in made.failures]) == (40, 39, ["17.png"])
    return inputs, folder / "out", json.loads(made.data.read_text("utf-8"))


def test_rows_and_arrays_of_a_run(whole):
    _, out, data = whole
    rows = [line for file in sorted((out / "units").iterdir()) for line in file.read_text("utf-8").splitlines()[1:]]
    named = [json.loads(row)["name"] for row in rows]
    assert named == [f"{n}.png" for n in range(40)]
    assert [item["name"] for item in data["items"]] == [name for name in named if name != "17.png"]
    assert all(item["seconds"] > 0 for item in data["items"]) and data["summary"]["explained"] == 39
    assert [len(list((out / "arrays" / f"{unit:06d}").glob("*.npz"))) for unit in range(7)] == [6, 6, 5, 6, 6, 6, 4]
    assert not any("seconds" in json.loads(row) and json.loads(row)["seconds"] for row in rows)


class Stop(Exception):
    """What stands for a power cut."""


FINISHED = {1: 0, 2: 0, 30: 12, 61: 24, 87: 40}
"""Inputs that are finished before a write, counted from 1: job.json, two files an input, one a unit, data and page."""


@pytest.mark.parametrize("after", FINISHED)
@pytest.mark.parametrize("how", ["full", "stopped", "gone"])
def test_what_is_finished_stays(whole, tmp_path, monkeypatch, after, how):
    inputs, wanted, _ = whole
    out, replace, left = tmp_path / "out", os.replace, [after]

    def failing(source, target):
        left[0] -= 1
        if left[0] == 0:
            if how == "full":
                raise OSError(28, "No space left on device")
            if how == "stopped":
                raise Stop
            shutil.rmtree(out)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", failing)
        with pytest.raises(Stop if how == "stopped" else JobError) as told:
            go(inputs, out, sparsity=RULE)
    if how == "full":
        text = (
            r"cannot be written: No space left on device;.*\n(\d+) of 40 inputs are finished; the same command goes on"
        )
        assert re.search(text, str(told.value)).group(1) == str(FINISHED[after])
    if how == "gone":
        assert "cannot be written: No such file" in str(told.value) or "was removed or taken over" in str(told.value)
    assert not (out / LOCK).exists() and not (out / "report.html").exists()
    go(inputs, out, sparsity=RULE)
    assert hashes(out) == hashes(wanted)


def test_finished_units_are_not_computed_again(whole, tmp_path, monkeypatch):
    inputs, wanted, data = whole
    rows, attribute = [], explain.attribute
    shutil.copytree(wanted, tmp_path / "out")
    for unit in ("000002", "000006"):
        (tmp_path / "out" / "units" / f"{unit}.jsonl").unlink()

    def counting(model, x, *given, **options):
        rows.append(len(x["image"]))
        return attribute(model, x, *given, **options)

    monkeypatch.setattr(explain, "attribute", counting)
    made = go(inputs, tmp_path / "out", sparsity=RULE)
    assert sum(rows) == 2 * (5 + 4)  # two methods; 12.png to 16.png, and the last four
    assert hashes(tmp_path / "out") == hashes(wanted)
    again = json.loads(made.data.read_text("utf-8"))
    for item in (*again["items"], *data["items"]):
        item.pop("seconds")
    assert again["items"] == data["items"] and again["summary"] == data["summary"]


def test_a_run_with_another_configuration_is_refused(whole, tmp_path):
    inputs, wanted, _ = whole
    shutil.copytree(wanted, tmp_path / "out")
    before = hashes(tmp_path / "out")
    with pytest.raises(JobError, match="holds results of a run with another configuration") as told:
        go(inputs, tmp_path / "out", sparsity=0.5, target=3, unit=7)
    text = str(told.value)
    assert f'  methods.pathway-gradient.sparsity: "{RULE}" there, 0.5 now\n' in text
    assert "  target: null there, 3 now\n" in text and "  unit: 6 there, 7 now\n" in text
    shutil.copytree(inputs, tmp_path / "in")
    (tmp_path / "in" / "41.png").write_bytes(b"")
    with pytest.raises(JobError, match=r"inputs\.count: 40 there, 41 now"):
        go(tmp_path / "in", tmp_path / "out", sparsity=RULE)
    assert hashes(tmp_path / "out") == before and not (tmp_path / "out" / LOCK).exists()


def test_differences_are_named_by_their_place():
    assert differences({"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"b": 1, "c": [2]}, "e": None}) == [
        "a.c: [1] there, [2] now",
        "d: 2 there, null now",
    ]


def test_one_run_at_a_time(tmp_path):
    first = Lock(tmp_path)
    with pytest.raises(JobError, match=rf"another run, process {os.getpid()} on .*, writes into"):
        Lock(tmp_path)
    first.release()
    Lock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_taken_over_is_lost(tmp_path):
    lock = Lock(tmp_path)
    for _ in range(2):
        lock.check()
    held = json.loads((tmp_path / LOCK).read_text())
    write_bytes(tmp_path / LOCK, json.dumps({**held, "pid": held["pid"] + 1}).encode())
    with pytest.raises(JobError, match="was removed or taken over during the run"):
        lock.check()
    write_bytes(tmp_path / LOCK, json.dumps(held).encode())
    lock.check()
    (tmp_path / LOCK).unlink()
    with pytest.raises(JobError, match="was removed or taken over during the run"):
        lock.check()


def test_a_lock_of_a_process_that_is_gone_is_passed_over(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine = {"host": socket.gethostname(), "began": 1}
    for holder in ({**mine, "pid": int(gone.stdout)}, {**mine, "pid": os.getpid()}):  # its number was given again
        (tmp_path / LOCK).write_text(json.dumps(holder))
        Lock(tmp_path).release()
    (tmp_path / LOCK).write_text(json.dumps({**mine, "pid": int(gone.stdout), "host": "elsewhere"}))
    with pytest.raises(JobError, match="on elsewhere, writes into"):
        Lock(tmp_path)


def test_what_the_page_shows_is_what_was_computed(tmp_path):
    """Pictures and maps are read again: nothing of them is lost on the way."""
    job = prepare(CNN, [FOLDER / "images"], tmp_path, PREPROCESS, "cpu", options=lambda: {"gradient": {}})
    (found, *_) = explain.explain_items(job.model, job.items[:1], job.preprocess, job.options)
    fresh = build.finished_item(found, job.classes, 0)
    row = save_arrays(into(tmp_path), 0, fresh, build.raw_arrays(found))
    (again,) = restored(job, [(0, read_as(Item, json.loads(row)))], ValueError)
    assert again == fresh and len(again.maps) == 1
    np.testing.assert_array_equal(again.shown, fresh.shown)
    np.testing.assert_array_equal(again.maps[0].values, fresh.maps[0].values)


def test_sessions_leave_the_cores_to_what_goes_on_beside_them(tmp_path, monkeypatch):
    opened, init = [], Session.__init__

    def spied(session, model, *settings, **named):
        init(session, model, *settings, **named)
        opened.append(inspect.signature(init).bind(session, model, *settings, **named).arguments.get("spinning", True))

    monkeypatch.setattr(Session, "__init__", spied)
    go(FOLDER / "images", tmp_path)
    assert opened and not any(opened)


def test_nothing_explained_leaves_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    made = go(tmp_path / "in", tmp_path / "out")
    assert made.page is None and made.explained == 0 and len(made.failures) == 1
    assert not (tmp_path / "out").exists()


def test_half_a_line_of_timings_does_no_harm(whole, tmp_path):
    inputs, wanted, _ = whole
    shutil.copytree(wanted, tmp_path / "out")
    timings = tmp_path / "out" / "timings.jsonl"
    timings.write_bytes(timings.read_bytes()[:-30])
    (tmp_path / "out" / "units" / "000001.jsonl").unlink()
    made = go(inputs, tmp_path / "out", sparsity=RULE)
    items = json.loads(made.data.read_text("utf-8"))["items"]
    assert [item["name"] for item in items if item["seconds"] is None] == [f"{n}.png" for n in range(36, 40)]


@pytest.mark.parametrize("wrong", [{"unit": 0}, {"threads": -1}, {"unit": 1.5}])
def test_sizes_are_checked(tmp_path, wrong):
    with pytest.raises(InputError, match="must be a positive whole number"):
        go(FOLDER / "images", tmp_path / "out", **wrong)


def test_a_model_of_which_several_tensors_get_maps_is_refused(tmp_path):
    model = onnxpath.load(CNN)
    model = onnxpath.load(model, wrt=["image", model.layers()[0].name])
    with pytest.raises(
        InputError, match="one map of each input and method, and this model is loaded for maps of 'image',"
    ):
        onnxpath.report(model, FOLDER / "images", tmp_path / "out", preprocess=PREPROCESS)
    assert not (tmp_path / "out").exists()
