"""Two finished reports that are compared may be anybody's: what is wrong with them is told by file, key and input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError
from onnxpath.report.runs import compare_runs
from onnxpath.report.stored import read_run
from tests.models import FOLDER, sample


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a finished run with pathways."""
    out = tmp_path_factory.mktemp("runs") / "out"
    images = sorted((FOLDER / "images").glob("*.png"))[:2]
    onnxpath.report(sample("digits_cnn"), images, out, preprocess=FOLDER / "preprocess.toml")
    return out


@pytest.fixture
def other(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "other")


def edited(change):
    """Damage of report.json."""

    def damage(out):
        data = json.loads((out / "report.json").read_text("utf-8"))
        change(data)
        (out / "report.json").write_text(json.dumps(data))

    return damage


def first(data):
    return data["items"][0]


DATA = {
    "no items": (edited(lambda data: data.pop("items")), "it has no 'items'"),
    "items of numbers": (edited(lambda data: data.update(items=[1])), "'items.0' is 1, not a table"),
    "methods of numbers": (edited(lambda data: data["run"].update(methods=[[]])), "'run.methods.0' is [], not text"),
    "a shape of text": (edited(lambda d: d["model"]["inputs"][0].update(shape="x")), "'model.inputs.0.shape' is 'x'"),
    "a huge index": (edited(lambda d: first(d)["target"].update(index=10**400)), "'items.0.target.index' is a number"),
    "a seed of lists": (edited(lambda d: d["run"].update(seed=[])), "'run.seed' is [], not a whole number"),
    "NaN": (edited(lambda d: first(d).update(seconds=float("nan"))), "NaN is no number of JSON"),
    "no table": (lambda out: (out / "report.json").write_text("3"), "it is 3, not a table"),
    "bytes": (lambda out: (out / "report.json").write_bytes(b"\xff\xfe\x00"), "codec can't decode"),
}


@pytest.mark.parametrize("kind", DATA)
def test_data(other, kind):
    damage, said = DATA[kind]
    damage(other)
    with pytest.raises(InputError, match=re.escape("report.json' is not the data of a report: ")) as told:
        read_run(other)
    assert said in str(told.value)


def arrays(change):
    """Damage of the first input's arrays: `change` of what they hold."""

    def damage(out):
        path = out / first(json.loads((out / "report.json").read_text("utf-8")))["arrays"]
        with np.load(path) as held:
            kept = dict(held)
        change(kept)
        np.savez(path, **kept)

    return damage


def without(out):
    """Raw arrays that are gone, whatever the rest says."""
    for path in Path(out).rglob("*.npz"):
        path.unlink()


def of_another_layer(held):
    """A pathway with a layer of another name."""
    meta = json.loads(bytes(held["pathway"]))
    meta["masks"][0]["layer"] = meta["layers"][0]["name"] = "<b>"
    held["pathway"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)


ARRAYS = {
    "gone": (without, "cannot be read: "),
    "no logits": (arrays(lambda held: held.pop("logits")), "cannot be read: 'logits'"),
    "logits of text": (
        arrays(lambda h: h.update(logits=np.array(["x"]))),
        "'logits' holds something else than numbers",
    ),
    "a map of NaN": (arrays(lambda h: h.update(map_gradient=np.float32([np.nan]))), "'map_gradient' holds something"),
    "a smaller map": (arrays(lambda h: h.update(map_gradient=np.zeros(3))), "has 256 values in one and 3 in the other"),
    "few logits": (arrays(lambda h: h.update(logits=np.zeros(0))), "'logits' has 0 entries"),
    "no pathway": (arrays(lambda held: held.pop("masks")), "is not a pathway file of onnxpath: it holds no 'masks'"),
    "a pathway of text": (arrays(lambda h: h.update(pathway=np.array("x"))), "is not a pathway file of onnxpath"),
    "a target that is none": (edited(lambda d: first(d)["target"].update(index=10)), "the target is entry 10"),
    "no target below zero": (edited(lambda d: first(d)["target"].update(index=-2)), "the target is entry -2"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(whole, other, kind):
    damage, said = ARRAYS[kind]
    damage(other)
    with pytest.raises(InputError) as told:
        compare_runs(read_run(whole), read_run(other), 0.05)
    assert said in str(told.value)


def test_pathways_of_other_layers_in_a_later_input(whole, other):
    """Layers are matched once, on the first input."""
    data = json.loads((other / "report.json").read_text("utf-8"))
    data["items"] = data["items"][::-1]
    (other / "report.json").write_text(json.dumps(data))
    arrays(of_another_layer)(other)
    with pytest.raises(InputError, match="have no layer"):
        compare_runs(read_run(whole), read_run(other), 0.05)


def test_a_run_is_like_itself(whole):
    found = compare_runs(read_run(whole), read_run(whole), 0.05)
    assert found.agreement == 1.0 and found.overlap == 1.0 and not found.changed


def test_what_a_newer_onnxpath_adds_is_passed_over(whole, other):
    edited(lambda data: (data.update(since=1), first(data).update(since=1), data["model"].update(since=1)))(other)
    assert read_run(other).items == read_run(whole).items
