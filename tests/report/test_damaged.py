"""A folder that a run goes on in may have been changed by hand or by a disk: what is wrong is told by file and line."""

import json
import re
import shutil

import numpy as np
import pytest

import onnxpath
from benchmarks.resume import hashes
from onnxpath.errors import JobError
from onnxpath.report.job.lock import LOCK, Lock
from tests.models import FOLDER, sample

UNIT = "units/000001.jsonl"
DEEP = "[" * 100_000 + "]" * 100_000


def go(out):
    """Twelve pictures in units of five."""
    return onnxpath.report(
        sample("digits_cnn"),
        [FOLDER / "images"],
        out,
        methods=["gradient"],
        preprocess=FOLDER / "preprocess.toml",
        unit=5,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    go(out)
    return out


@pytest.fixture
def out(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "out")


def edited(change):
    """Damage that replaces one row's JSON, that of the second input of a unit."""

    def damage(path):
        lines = path.read_text("utf-8").split("\n")
        row = json.loads(lines[2])
        change(row)
        lines[2] = json.dumps(row)
        path.write_text("\n".join(lines), "utf-8")

    return damage


def replaced(old, new, count=-1):
    """Damage of a file's bytes."""

    def damage(path):
        data = path.read_bytes()
        assert re.search(old, data)
        path.write_bytes(re.sub(old, lambda _: new, data, count=max(0, count)))

    return damage


DAMAGE = {
    "cut off": (lambda p: p.write_bytes(p.read_bytes()[:-900]), 6, ""),
    "empty": (lambda p: p.write_bytes(b""), 1, ""),
    "a line less": (lambda p: p.write_text("\n".join(p.read_text().split("\n")[:-2]) + "\n"), 6, "the file ends here"),
    "a line more": (lambda p: p.write_text(p.read_text() + "{}\n"), 7, "the unit has 5 inputs"),
    "no UTF-8": (replaced(rb'"name": "\d', b'"name": "\xff', 1), 1, "can't decode byte 0xff"),
    "NaN": (replaced(rb'"limit": [-\d.e]+', b'"limit": NaN', 1), 2, "NaN is no number"),
    "deep lists": (replaced(rb'"warnings": \[\]', b'"warnings": ' + DEEP.encode(), 1), 2, "nested too deep"),
    "another unit's": (lambda p: shutil.copy(p.with_name("000000.jsonl"), p), 1, "it is of unit 0, 5 inputs from 0 on"),
    "a head of text": (replaced(rb'"searched": {}', b'"searched": {"gradient": "x"}'), 1, "'searched.gradient' is 'x'"),
    "another input": (edited(lambda row: row.update(name="<b>.png")), 3, "it is of input '<b>.png', not of '"),
    "a text for a number": (
        edited(lambda row: row["predictions"][0].update(softmax="x")),
        3,
        "'predictions.0.softmax'",
    ),
    "a number too large": (edited(lambda row: row["predictions"][0].update(logit=10**400)), 3, "'predictions.0.logit'"),
    "a key less": (edited(lambda row: row.pop("file")), 3, "it has no 'file'"),
    "arrays elsewhere": (edited(lambda row: row.update(arrays="../../x.npz")), 3, "lie outside the folder"),
    "arrays of another": (edited(lambda row: row.update(arrays="report.json")), 3, "cannot be used"),
    "a method more": (edited(lambda row: row["maps"][0].update(method="<b>")), 3, "cannot be used"),
    "a failure of a number": (edited(lambda row: row.update(error=3)), 3, "'error' is 3, not text"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_units(out, kind):
    damage, line, said = DAMAGE[kind]
    damage(out / UNIT)
    with pytest.raises(JobError) as told:
        go(out)
    text = str(told.value)
    assert f"{UNIT}', line {line}, is not what a run writes: " in text and said in text
    assert "delete that file, and the same command explains its inputs again" in text


def test_what_is_to_be_done_helps(out, whole):
    (out / UNIT).write_text("{}")
    with pytest.raises(JobError, match="delete that file"):
        go(out)
    (out / UNIT).unlink()
    go(out)
    assert hashes(out) == hashes(whole)


def arrays(change):
    """Damage of the arrays of the second unit's first input."""

    def damage(out):
        row = json.loads((out / UNIT).read_text("utf-8").split("\n")[1])
        change(out / row["arrays"])

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        arrays(lambda path: path.unlink()),
        arrays(lambda path: path.write_bytes(path.read_bytes()[:300])),
        arrays(lambda path: path.write_bytes(b"")),
        arrays(lambda path: np.savez(path, map_gradient=np.array(["x"]))),
        arrays(lambda path: np.savez(path, map_gradient=np.float32(np.nan))),
        arrays(lambda path: np.savez(path, map_gradient=np.array([{}], dtype=object), allow_pickle=True)),
        arrays(lambda path: np.savez(path, other=np.zeros(3))),
    ],
)
def test_arrays(out, damage):
    damage(out)
    with pytest.raises(
        JobError, match=re.escape(f"{UNIT}', line 2, is not what a run writes: its raw arrays 'arrays/")
    ):
        go(out)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", DEEP.encode(), b'{"model": NaN}', b"3"])
def test_configurations_that_are_none(out, data):
    (out / "job.json").write_bytes(data)
    with pytest.raises(JobError, match=r"job.json' cannot be read: .*; choose another folder, or delete this one"):
        go(out)


def test_a_configuration_of_endless_text(out):
    (out / "job.json").write_text(json.dumps({"model": "x" * 100_000}))
    with pytest.raises(JobError, match="holds results of a run with another configuration") as told:
        go(out)
    assert len(str(told.value)) < 5000


@pytest.mark.parametrize(
    "data",
    [
        b"",  # a run that was killed between making the file and writing into it
        b"\n",
        DEEP.encode(),
        b'{"unit": [], "date": "", "run": 1.0, "seconds": [], "notes": []}\n',
        b'{"unit": 0, "date": "", "run": 1e999, "seconds": [1.0], "notes": []}\n',
        b'{"unit": 0, "date": "", "run": 1.0, "seconds": [1' + b"0" * 400 + b'], "notes": []}\n',
        b'{"unit": 0, "date": "", "run": 1.0, "seconds": [], "notes": "text"}\n',
        b"\xff\xfe",
    ],
)
def test_times_that_are_none_do_no_harm(out, whole, data):
    (out / "timings.jsonl").write_bytes(data)
    made = go(out)
    assert hashes(out) == hashes(whole)
    read = json.loads(made.data.read_text("utf-8"))
    assert all(item["seconds"] is None for item in read["items"][:5])


@pytest.mark.parametrize("pid", [2**80, "1e999", DEEP, '"x"', 10**400])
def test_locks_of_no_process(tmp_path, pid):
    """Nobody holds them, and a run goes on."""
    lock = Lock(tmp_path)
    held = json.loads((tmp_path / LOCK).read_text())
    (tmp_path / LOCK).write_text(json.dumps({**held, "pid": 0}).replace('"pid": 0', f'"pid": {pid}'))
    Lock(tmp_path).release()
    del lock
