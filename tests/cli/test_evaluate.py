"""The verb evaluate: what it writes, labels, boxes, masks, failures, and commands that cannot be carried out."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import onnxpath
from onnxpath.runtime.session import Session
from tests.cli.program import CNN, IMAGES, PREPROCESS, refused, run
from tests.models import sample_images

FAST = ["--methods", "gradient", "--metrics", "deletion", "--set", "steps=0,50,100", "--samples", "50"]
EVALUATE = ["evaluate", CNN, IMAGES, "--preprocess", PREPROCESS]


def test_what_is_written(tmp_path):
    done = run(*EVALUATE, *FAST, "-o", tmp_path)
    assert done.code == 0 and "deletion, signed (lower is better)" in done.out, done
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evaluation.csv", "evaluation.html", "evaluation.json"]
    page = (tmp_path / "evaluation.html").read_text()
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'" in page
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert data["rows"] == 12 and data["run"]["model"] == "digits_cnn.onnx" and data["schema"] == 1
    lines = (tmp_path / "evaluation.csv").read_text().splitlines()
    methods = {line["method"] for line in csv.DictReader(lines)}
    assert {"gradient", "random", "edges", "activation-only"} <= methods
    assert all(name in done.out for name in methods)


def test_json_is_the_result(tmp_path):
    done = run(*EVALUATE, *FAST, "-o", tmp_path, "--json")
    assert done.json["rows"] == 12 and done.json["failed"] == 0
    assert {s["metric"] for s in done.json["scores"]} == {"deletion"}


def test_methods_with_options_and_several_metrics(tmp_path):
    done = run(
        *EVALUATE,
        *("--methods", "gradient, lrp:composite=epsilon-plus", "--metrics", "deletion,lerf"),
        *("--set", "steps=10,50", "--set", "replace=zero", "--set", "score=logit", "-o", tmp_path, "--json"),
    )
    assert {s["method"] for s in done.json["scores"] if not s["baseline"]} == {
        "gradient",
        "lrp:composite=epsilon-plus",
    }
    assert all(s["options"]["replace"] == "zero" and s["options"]["steps"] == [10, 50] for s in done.json["scores"])


def test_options_are_said_as_in_every_verb(tmp_path):
    done = run(
        *(*EVALUATE, "--method", "gradient", "--method", "rap", "--option", "published=True", "--samples", "50"),
        *("--metric", "deletion", "--metric-option", "steps=[0, 100]", "-o", tmp_path, "--json"),
    )
    assert done.code == 0, done
    assert {s["method"] for s in done.json["scores"] if not s["baseline"]} == {"gradient", "rap:published=True"}
    assert all(s["options"]["steps"] == [0, 100] for s in done.json["scores"])


def test_only_correctly_predicted_inputs(tmp_path):
    # uint8 arrays would be pictures; these are ready model input.
    labels = [int(p.stem.rpartition("_")[2]) for p in sorted(IMAGES.glob("*.png"))]
    labels[3] = (labels[3] + 1) % 10
    np.savez(tmp_path / "x.npz", x=sample_images(), labels=labels)
    done = run("evaluate", CNN, tmp_path / "x.npz", *FAST, "--correct-only", "-o", tmp_path / "out", "--json")
    assert done.json["rows"] == 11
    np.savez(tmp_path / "x.npz", x=sample_images())
    text = refused(tmp_path / "out2", "evaluate", CNN, tmp_path / "x.npz", *FAST, "--correct-only")
    assert "--correct-only needs a label of every input, and 12 have none" in text


def test_boxes_and_masks(tmp_path):
    names = sorted(p.name for p in IMAGES.glob("*.png"))
    with Image.open(IMAGES / names[0]) as image:
        width, height = image.size
    lines = [f"{name},0,0,{width / 2},{height}" for name in names]
    (tmp_path / "boxes.csv").write_text("file,x0,y0,x1,y1\n" + "\n".join(lines))
    masks = np.zeros((12, 16, 16), bool)
    masks[:, :, :8] = True
    np.savez(tmp_path / "masks.npz", masks=masks)
    options = ["--methods", "gradient", "--metrics", "energy-pointing-game,pixel-accuracy", "--json"]
    found = {}
    for kind in ("boxes", "masks"):
        file = tmp_path / ("boxes.csv" if kind == "boxes" else "masks.npz")
        done = run(*EVALUATE, *options, f"--{kind}", file, "-o", tmp_path / kind)
        assert done.code == 0, done
        found[kind] = [(s["metric"], s["variant"], s["method"], s["mean"]) for s in done.json["scores"]]
    assert found["boxes"] == found["masks"]


def test_inputs_that_cannot_be_read_are_listed(tmp_path):
    (tmp_path / "in").mkdir()
    for index in range(3):
        np.save(tmp_path / "in" / f"{index}.npy", sample_images()[index])
    (tmp_path / "in" / "3.npy").write_bytes(b"no array")
    done = run("evaluate", CNN, tmp_path / "in", *FAST, "-o", tmp_path / "out", "--json")
    assert done.code == 1 and done.json["rows"] == 3 and done.json["failed"] == 1 and "3.npy" in done.err


def test_a_method_that_cannot_run_is_said(tmp_path):
    label = "layer-activation:layer=/Relu_output_0"
    done = run(*EVALUATE, *FAST, "--methods", label, "-o", tmp_path)
    assert done.code == 0 and f"skipped: {label}: it maps '/Relu_output_0'" in done.out, done
    assert "  gradient" in done.out


@pytest.fixture
def no_work(monkeypatch):
    monkeypatch.setattr(Session, "run", lambda *a, **k: pytest.fail("a model was run"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--methods", "gradeint"], "did you mean 'gradient'?"),
        (["--methods", "gradient:x=1"], "no option of method 'gradient' named 'x'"),
        (["--methods", ","], "name at least one method and one metric"),
        (["--metrics", "lref"], "did you mean 'lerf'?"),
        (["--metrics", "pointing-game"], "metric pointing-game needs boxes or masks of the objects; none were given"),
        (["--metrics", "box-iou", "--masks", "no.npz"], "masks 'no.npz' cannot be read"),
        (["--set", "replace=maen"], "no replace named 'maen'; did you mean 'mean'?"),
        (["--set", "steps=5,1"], "ascending, from 0 to 100; not [5, 1]"),
        (["--set", "steps=5"], "steps is a list of percentages"),
        (["--set", "step=5"], "no option of these metrics named 'step'; did you mean 'steps'?"),
        (["--metric-option", "steps"], "'steps' is not NAME=VALUE"),
        (
            ["--method", "rap", "--option", "published=no"],
            "option 'published' of method 'rap' is true or false, not 'no'",
        ),
        (["--method", "gradient,rap", "--option", "x=1"], "no option of method 'gradient' or 'rap' named 'x'"),
        (["--boxes", "no.csv"], "boxes 'no.csv' cannot be read: No such file"),
        (["--target", "10"], "target 10 is out of range"),
        (["--output", "logit"], "did you mean 'logits'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_that_cannot_be_carried_out(tmp_path, no_work, options, says):
    assert says in refused(tmp_path / "out", *EVALUATE, *options)


def test_all_problems_at_once(tmp_path, no_work):
    text = refused(
        tmp_path / "out", *EVALUATE, "--methods", "a", "--metrics", "b", "--set", "draws=0", "--boxes", "no.csv"
    )
    for part in ("'a'", "'b'", "draws is a whole number from 1, not 0", "no.csv"):
        assert part in text


def test_masks_that_do_not_fit(tmp_path):
    options = ["--metrics", "pixel-accuracy", "--masks", tmp_path / "m.npz"]
    np.savez(tmp_path / "m.npz", masks=np.zeros((3, 16, 16)))
    assert "there are 3 masks and 12 inputs" in refused(tmp_path / "out", *EVALUATE, *options)
    np.savez(tmp_path / "m.npz", masks=np.zeros((12, 8, 8)))
    assert "these rows need (12, 16, 16)" in refused(tmp_path / "out", *EVALUATE, *options)
    np.savez(tmp_path / "m.npz", other=np.zeros((12, 8, 8)))
    assert "hold no array `masks`" in refused(tmp_path / "out", *EVALUATE, *options)


def test_targets_of_a_manifest_are_what_is_explained(tmp_path):
    files = sorted(IMAGES.glob("*.png"))[:3]
    lines = [f"{file},{target}" for file, target in zip(files, ("4", "", "7"), strict=True)]
    (tmp_path / "m.csv").write_text("path,target\n" + "\n".join(lines))
    evaluate = ["evaluate", CNN, tmp_path / "m.csv", *EVALUATE[3:], *FAST, "--set", "score=logit"]
    done = run(*evaluate, "-o", tmp_path / "out", "--json")
    predicted = int(onnxpath.attribute(CNN, sample_images()[1:2], method="gradient").prediction[0])
    wanted = onnxpath.evaluate(
        *(CNN, sample_images()[:3], ["gradient"], ["deletion"]), [4, predicted, 7], steps=(0, 50, 100), score="logit"
    )
    assert done.json["scores"][0]["values"] == pytest.approx(wanted.scores[0].values, rel=1e-4)
    (tmp_path / "m.csv").write_text("path,target\n" + f"{files[0]},10\n")
    assert "target 10 is out of range" in refused(tmp_path / "no", *evaluate)


def test_metrics_are_listed():
    done = run("list", "metrics", "--json")
    entries = {entry["name"]: entry for entry in done.json}
    assert entries["lerf"]["better"] == "lower" and "steps" in entries["lerf"]["options"]
    assert all(entry["about"] for entry in done.json)
