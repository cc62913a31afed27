"""Labels that match no class: refused before any work where files say them, told at the end where records do."""

import json
import shutil

import numpy as np
import onnx
import pytest

from tests.cli.program import CLASSES, CNN, IMAGES, PREPROCESS, refused, run
from tests.models import mlp, parse

DIGITS = sorted(IMAGES.glob("*.png"))[:3]
FAST = ("--methods", "gradient", "--metrics", "lerf", "--metric-option", "steps=20,50")


@pytest.fixture
def manifest(tmp_path):
    """A manifest of three digits with the labels that are given."""

    def write(*labels):
        path = tmp_path / "digits.csv"
        rows = [f"{file.name},{label}" for file, label in zip(DIGITS, labels, strict=True)]
        path.write_text("\n".join(["path,label", *rows]))
        return path

    for file in DIGITS:
        shutil.copy(file, tmp_path)
    return write


def saved(folder, labels):
    np.savez(folder / "x.npz", x=np.zeros((len(labels), 1, 16, 16), np.float32), labels=labels)
    return folder / "x.npz"


def test_indices_in_an_npz(tmp_path, no_work):
    path = saved(tmp_path, [0, 99, 9, 10, -1])
    for words in (["report"], ["report", "--classes", CLASSES], ["evaluate", *FAST]):
        told = refused(tmp_path / "out", words[0], CNN, path, *words[1:])
        assert "match no class of the model: 3 of 5 (x.npz[1]: 99, x.npz[3]: 10, x.npz[4]: -1)" in told
        assert told.rstrip().endswith("labels are indices from 0 to 9")


def test_of_many_the_first_are_named(tmp_path, no_work):
    told = refused(tmp_path / "out", "report", CNN, saved(tmp_path, [12] * 8))
    assert "8 of 8 (x.npz[0]: 12," in told and "x.npz[4]: 12 and 3 more)" in told


def test_what_a_manifest_says(tmp_path, manifest, no_work):
    words = ["--preprocess", PREPROCESS]
    (tmp_path / "names.txt").write_text("\n".join(f"digit {i}" for i in range(10)))
    named = [*words, "--classes", tmp_path / "names.txt"]
    told = refused(tmp_path / "out", "report", CNN, manifest("digit 0", 99, "tiger"), *named)
    assert f"2 of 3 ({DIGITS[1].name}: 99, {DIGITS[2].name}: 'tiger')" in told
    assert "labels are indices from 0 to 9, or one of the 10 names in --classes" in told
    told = refused(tmp_path / "out", "report", CNN, manifest("digit 0", "digit 1", 2), *words)
    assert f"2 of 3 ({DIGITS[0].name}: 'digit 0', " in told and "a name with --classes, and none was given" in told
    told = refused(tmp_path / "out", "evaluate", CNN, manifest(99, "tiger", ""), *words, *FAST)
    assert f"1 of 1 ({DIGITS[0].name}: 99)" in told


def test_labels_that_match_are_taken(tmp_path, manifest):
    (tmp_path / "names.txt").write_text("\n".join(f"digit {i}" for i in range(10)))
    words = ["--preprocess", PREPROCESS, "--method", "gradient", "-o", tmp_path / "out", "--json"]
    done = run("report", CNN, manifest("DIGIT 0", 1, ""), "--classes", tmp_path / "names.txt", *words)
    assert done.code == 0 and "warning" not in done.err
    summary = json.loads((tmp_path / "out" / "report.json").read_text())["summary"]
    assert summary["labelled"] == 2
    # Without --correct-only evaluation asks for no label.
    done = run("evaluate", CNN, manifest("tiger", "", ""), *FAST, *words[:2], "-o", tmp_path / "scores")
    assert done.code == 0, done


def test_what_records_bring_is_told_on_the_page_and_the_terminal(tmp_path):
    onnx.save(mlp(), tmp_path / "m.onnx")
    outputs = onnx.load(tmp_path / "m.onnx").graph.output[0].type.tensor_type.shape.dim[1].dim_value
    rows = [f"{i},1,2,3,4,5,{label}" for i, label in enumerate([0, "yes", 99, "yes", ""])]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,d,e,f,label", *rows]))
    words = ["report", tmp_path / "m.onnx", tmp_path / "rows.csv", "--method", "gradient"]
    done = run(*words, "-o", tmp_path / "out")
    told = "labels that match no class of the model: 3 of 4 (rows.csv[1]: 'yes', rows.csv[2]: 99, rows.csv[3]: 'yes')"
    assert done.code == 0 and f"warning: {told}; labels are indices from 0 to {outputs - 1}, or a name" in done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["warnings"][0].startswith(told) and report["summary"]["labelled"] == 2
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "labels that match no class of the model: 3 of 4" in page
    assert [item["label"] and item["label"]["name"] for item in report["items"]] == ["0", "yes", "99", "yes", None]
    (tmp_path / "names.txt").write_text("\n".join(["yes", *map(str, range(outputs - 1))]))
    done = run(*words, "--classes", tmp_path / "names.txt", "-o", tmp_path / "named")
    assert "1 of 4 (rows.csv[2]: 99); labels are indices" in done.err


def test_folders_need_not_be_classes_but_numbers_that_are_none_are_told(tmp_path):
    for folder, file in zip(("holiday", "2023", "7"), DIGITS, strict=True):
        (tmp_path / "in" / folder).mkdir(parents=True)
        shutil.copy(file, tmp_path / "in" / folder)
    words = ["--preprocess", PREPROCESS, "--method", "gradient", "-o", tmp_path / "out"]
    done = run("report", CNN, tmp_path / "in", *words)
    assert done.code == 0 and f"1 of 2 (2023/{DIGITS[1].name}: 2023); labels are indices from 0 to 9" in done.err


def test_outputs_that_are_no_classes_judge_no_label(tmp_path):
    text = "m (float[n, 2] x) => (float[n, {}] y) {{ r = Relu(x); y = MatMul(r, w) }}"
    onnx.save(parse(text.format(1), w=np.ones((2, 1), np.float32)), tmp_path / "m.onnx")
    np.savez(tmp_path / "x.npz", x=np.ones((2, 2), np.float32), labels=[0, 1])
    done = run("report", tmp_path / "m.onnx", tmp_path / "x.npz", "--method", "gradient", "-o", tmp_path / "out")
    assert done.code == 0 and "warning" not in done.err, done


def test_names_in_json_are_those_of_their_indices(tmp_path):
    names = {str(index): f"digit {index}" for index in reversed(range(10))}
    (tmp_path / "config.json").write_text(json.dumps({"id2label": names}, indent=2))
    words = ["explain", CNN, DIGITS[0], "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json"]
    done = run(*words, "--classes", tmp_path / "config.json")
    (row,) = done.json["results"]
    assert row["target_name"] == f"digit {row['target']}" and "warning" not in done.err
