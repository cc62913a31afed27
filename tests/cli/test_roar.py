"""The verb roar: what it writes, that it goes on, class folders, and commands that cannot be carried out."""

import csv
import json
import shutil

import numpy as np
import pytest

from tests.cli.program import CNN, IMAGES, PREPROCESS, refused, run

FAST = ["--methods", "gradient", "--baselines", "random", "--percents", "50", "--seeds", "1", "--epochs", "1"]


@pytest.fixture
def folder(tmp_path):
    """The sample pictures in a sub-folder for each digit."""
    for file in IMAGES.glob("*.png"):
        place = tmp_path / "data" / file.stem[-1]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    return tmp_path / "data"


def test_what_is_written_and_that_it_goes_on(tmp_path, folder):
    command = ["roar", CNN, folder, folder, "--preprocess", PREPROCESS, *FAST, "-o", tmp_path / "out"]
    done = run(*command)
    assert done.code == 0 and "3 trainings" in done.out and "the run does not count" in done.out, done
    data = json.loads((tmp_path / "out" / "roar.json").read_text())
    assert data["run"]["model"].endswith(".onnx") and data["run"]["preprocess"]["layout"] == "NCHW"
    assert "below 90 %: the run does not count" in (tmp_path / "out" / "roar.html").read_text("utf-8")
    assert not data["counts"] and data["about"]["kind"] == "roar" and data["about"]["epochs"] == 1
    rows = list(csv.DictReader((tmp_path / "out" / "roar.csv").read_text().splitlines()))
    assert [row["method"] for row in rows] == ["clean", "gradient", "random"]
    seconds = [row["seconds"] for row in rows]
    again = run(*command, "--json")
    assert [str(p["seconds"]) for p in again.json["points"]] == seconds
    more = [*command[:-2], "--least", "0", "--methods", "gradient,input-x-gradient", "-o", tmp_path / "out", "--json"]
    found = run(*more).json
    assert found["counts"] and {row["method"] for row in found["rows"]} == {"gradient", "input-x-gradient", "random"}
    text = run(*command[:-2], "--kind", "kar", "-o", tmp_path / "out")
    assert text.code == 2 and "holds a study with another kind" in text.err


def test_options_are_said_as_in_every_verb(tmp_path, folder):
    command = ["roar", CNN, folder, folder, "--preprocess", PREPROCESS, *FAST[2:], "--method", "gradient,lrp"]
    done = run(*command, "--option", "epsilon=0.1", "--baseline", "edges", "-o", tmp_path / "out", "--json")
    assert {row["method"] for row in done.json["rows"]} == {"gradient", "lrp:epsilon=0.1", "random", "edges"}
    assert "did you mean 'epsilon'?" in refused(tmp_path / "no", *command, "--option", "epsilo=1")


def test_recipes_reach_the_training(tmp_path, folder):
    options = ["--optimiser", "sgd", "--rate", "0.01", "--crop", "1", "--flip", "--decay-every", "0", "--kind", "kar"]
    command = ["roar", CNN, folder, folder, "--preprocess", PREPROCESS, *FAST, *options, "--json"]
    about = run(*command, "-o", tmp_path / "out").json["about"]
    assert about == {
        "kind": "kar",
        "ranking": "signed",
        "kept": [],
        "epochs": 1,
        "batch": 256,
        "decay": 0.5,
        "decay_every": 0,
        "validation": 0.0,
        "optimiser": "sgd",
        "rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "crop": 1,
        "flip": True,
    }


def test_commands_that_cannot_be_carried_out(tmp_path, folder):
    roar = ["roar", CNN, folder, folder, "--preprocess", PREPROCESS]
    text = refused(tmp_path / "out", *roar, "--percents", "ten", "--optimiser", "adagrad")
    assert "--percents takes numbers" in text and "no optimiser named 'adagrad'" in text
    text = refused(tmp_path / "out", *roar, "--methods", "gradeint", "--baselines", "edgse", "--percents", "10,200")
    assert "did you mean 'gradient'?" in text and "did you mean 'edges'?" in text and "percentages" in text
    text = refused(tmp_path / "out", "roar", CNN, IMAGES, folder, "--preprocess", PREPROCESS)
    assert "12 inputs without a known class" in text and "sub-folder for each class" in text
    np.savez(tmp_path / "far.npz", images=np.zeros((2, 16, 16), np.uint8), labels=[3, 12])
    text = refused(tmp_path / "out", "roar", CNN, tmp_path / "far.npz", folder, "--preprocess", PREPROCESS)
    assert "the model has 10 classes, and class 12 is among the labels" in text
