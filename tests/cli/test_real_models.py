"""Reports on real models and real images, where the data are."""

import json
import zipfile

import numpy as np
import pytest

from onnxpath.batch.preprocess import load_preprocess
from tests.cli.program import run
from tests.cli.test_report import check_numbers
from tests.models import REAL, input_name, real_input
from tests.models import run as run_model

IMAGENET = (
    "resize = 256\ncrop = 224\nscale = 0.00392156862745098\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"
)
HALVES = "resize = 256\ncrop = 224\nscale = 0.00784313725490196\nmean = 1\nstd = 1\n"
PREPROCESSES = {"squeezenet1_1": IMAGENET, "mobilenet_v2_1.0_224": HALVES}
CIFAR = IMAGENET.replace("resize = 256\ncrop = 224\n", "")


def make(tmp_path, model, inputs, preprocess, *options):
    (tmp_path / "preprocess.toml").write_text(preprocess)
    options = [*options, "--preprocess", tmp_path / "preprocess.toml", "-o", tmp_path / "out"]
    done = run("report", model, inputs, *options)
    assert done.code == 0, done
    return json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))


def test_resnet20_on_lossless_pictures(data_dir, tmp_path):
    with np.load(data_dir / "images" / "cifar10_test_100_lossless.npz") as held:
        np.savez(
            tmp_path / "eight.npz", **{key: held[key][:8] for key in ("images", "labels")}, classes=held["classes"]
        )
    model = data_dir / "models" / "resnet20_cifar10.onnx"
    data = make(tmp_path, model, tmp_path / "eight.npz", CIFAR)
    check_numbers(tmp_path / "out", data, model, real_input(data_dir, "resnet20_cifar10", 8))
    assert data["summary"]["labelled"] == 8 and data["summary"]["accuracy"] >= 0.75


@pytest.mark.parametrize("name", ["squeezenet1_1", "mobilenet_v2_1.0_224"])
def test_imagenet_models_on_photographs(data_dir, tmp_path, name):
    from PIL import Image

    with zipfile.ZipFile(data_dir / "images" / "imagenet_val_bbox_200.zip") as held:
        names = sorted(n for n in held.namelist() if n.lower().endswith((".jpg", ".jpeg")))[:2]
        held.extractall(tmp_path / "in", names)
    classes = data_dir / "images" / "imagenet_synset_words.txt"
    model = data_dir / "models" / f"{name}.onnx"
    data = make(tmp_path, model, tmp_path / "in", PREPROCESSES[name], "--classes", classes)
    prepare = load_preprocess(tmp_path / "preprocess.toml")
    pictures = []
    for member in names:
        with Image.open(tmp_path / "in" / member) as picture:
            pictures.append(prepare.apply(picture)[0])
    check_numbers(tmp_path / "out", data, model, np.stack(pictures))
    assert not data["items"][0]["predictions"][0]["name"].startswith("n0")


@pytest.mark.parametrize("name", REAL)
def test_ready_arrays_into_the_small_models(data_dir, tmp_path, name):
    x = real_input(data_dir, name, 3)
    np.savez(tmp_path / "x.npz", x=x)
    model = data_dir / "models" / f"{name}.onnx"
    done = run("pathway", model, tmp_path / "x.npz", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done
    for row, result in zip(x, done.json["results"], strict=True):
        (logits,) = run_model(model, {input_name(model): row[None]}).values()
        assert result["prediction"]["index"] == logits.argmax()
