"""Manifests and patterns: files named one by one, with classes and targets of their own."""

import json

import numpy as np
import pytest

import onnxpath
from onnxpath.batch.explain import Failed, explain_items
from onnxpath.batch.inputs import find_files, find_inputs, label_of
from onnxpath.batch.preprocess import load_preprocess
from onnxpath.errors import InputError
from tests.models import FOLDER, mlp, sample, sample_images

IMAGES = sorted((FOLDER / "images").glob("*.png"))

CSV = "path, label, target\nb/1.png,dog,\n0.png,3,7\n2.png,,0\n"
JSONL = """{"path": "b/1.png", "label": "dog"}

{"path": "0.png", "label": 3, "target": 7}
{"path": "2.png", "target": 0}
"""


@pytest.fixture
def folder(tmp_path):
    """Four pictures, two of them in folders."""
    for place, source in zip(("0.png", "2.png", "b/1.png", "b/c/3.png"), IMAGES, strict=False):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(source.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"), [("m.csv", CSV), ("m.tsv", CSV.replace(", ", "\t").replace(",", "\t")), ("m.jsonl", JSONL)]
)
def test_what_a_manifest_says(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8-sig")
    items = find_inputs([folder / name], 4)
    assert [(i.name, i.label, i.target) for i in items] == [
        ("b/1.png", "dog", None),
        ("0.png", 3, 7),
        ("2.png", None, 0),
    ]
    assert label_of(items[0], ["cat", "Dog"]) == (1, "Dog") and label_of(items[1], list("abcd")) == (3, "d")
    assert label_of(items[2], list("abcd")) is None


def test_inputs_are_explained_for_their_own_targets(folder):
    (folder / "m.csv").write_text(CSV + "gone.png,,\nb/c/3.png,,99\n")
    model, preprocess = onnxpath.load(sample("digits_cnn")), load_preprocess(FOLDER / "preprocess.toml")
    items = find_inputs([folder / "m.csv"], 4)
    found = list(explain_items(model, items, preprocess, {"gradient": {}}, target=5))
    assert [r.target for r in found[:3]] == [5, 7, 0]
    x = sample_images()[[2, 0, 1]]
    wanted = onnxpath.attribute(model, x, [5, 7, 0], "gradient").values
    for result, values in zip(found, wanted, strict=False):
        np.testing.assert_allclose(result.maps["gradient"], values, rtol=1e-4, atol=1e-6)
    assert [type(r) for r in found[3:]] == [Failed, Failed]
    assert "gone.png cannot be read: " in found[3].error and "target 99 is out of range" in found[4].error


def test_rows_of_an_array_file_share_what_is_said_of_it(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 6), np.float32))
    (tmp_path / "m.csv").write_text("path,target\nx.npy,1\n")
    items = find_inputs([tmp_path / "m.csv"], 2)
    assert [(i.name, i.target) for i in items] == [("x.npy[0]", 1), ("x.npy[1]", 1)]
    found = explain_items(onnxpath.load(mlp()), items, load_preprocess(FOLDER / "preprocess.toml"), {"gradient": {}})
    assert [r.target for r in found] == [1, 1]


def test_everything_wrong_with_a_manifest_is_told_with_its_line(folder):
    (folder / "m.csv").write_text("path,target\n0.png,x\n,1\n0.png,1\n2.png,2,3\n0.png,\n")
    with pytest.raises(InputError) as told:
        find_files([folder / "m.csv", folder / "no.png"])
    text = str(told.value)
    for line in (
        "line 2: 'target' must be the index of an output entry, not 'x'",
        "line 3: 'path' must name a file, not ''",
        "line 5: 'None': a manifest has path, label, target only",
        "line 6: '0.png' stands on line 4 already",
        "no.png' does not exist",
    ):
        assert line in text
    (folder / "m.jsonl").write_text('{"path": "0.png"}\n{"path": 3}\n{"path": "2.png", "label": true}\n')
    with pytest.raises(InputError, match=r"line 2: 'path' must name a file, not 3\n.*line 3: 'label' must be a class"):
        find_files([folder / "m.jsonl"])
    (folder / "m.csv").write_text("path\n0.gif\n")
    with pytest.raises(InputError, match=r"manifest '.*' names 0.gif, of kinds that are not read"):
        find_files([folder / "m.csv"])
    (folder / "m.jsonl").write_text('{"path": "0.png"}\n{"path\n')
    with pytest.raises(InputError, match=r"m.jsonl' cannot be used:\n  .*"):
        find_files([folder / "m.jsonl"])


def test_tables_and_texts_are_no_manifests(tmp_path):
    (tmp_path / "rows.csv").write_text("path,age,label\n1,2,3\n")
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "a", "label": 1}))
    for name in ("rows.csv", "texts.jsonl"):
        assert [file for _, file in find_files([tmp_path / name])] == [tmp_path / name]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["0.png", "2.png"]),
        ("b/*", ["1.png"]),
        ("**/*.png", ["0.png", "2.png", "b/1.png", "b/c/3.png"]),
        ("?.png", ["0.png", "2.png"]),
        ("*/c/[3-4].png", ["b/c/3.png"]),
    ],
)
def test_patterns(folder, pattern, names):
    (folder / "notes.gif").write_text("")
    items = find_inputs([folder / pattern], 4)
    assert [item.name for item in items] == names


def test_patterns_that_match_nothing_and_names_that_look_like_one(folder):
    with pytest.raises(InputError, match=r"pattern '.*x\*.png' matches no inputs"):
        find_inputs([folder / "x*.png"], 4)
    (folder / "a[1].png").write_bytes(IMAGES[0].read_bytes())
    assert [item.name for item in find_inputs([folder / "a[1].png"], 4)] == ["a[1].png"]
