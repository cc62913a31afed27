"""Inputs that cannot be used: each is told by name, and none stops the others."""

import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.cli.program import CLASSES, CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run, run_apart
from tests.models import mlp, parse

IMAGE_VERBS = ["activations", "explain", "pathway", "report"]
EVERY_IMAGE_VERB = pytest.mark.parametrize("verb", IMAGE_VERBS)


def bad_images(folder):
    """One file of each kind of bad picture, with what is said of it."""
    folder.mkdir()
    data = ONE_IMAGE.read_bytes()
    (folder / "truncated.png").write_bytes(data[: len(data) // 2])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.jpg").write_bytes(b"")
    np.save(folder / "nan.npy", np.full((1, 16, 16), np.nan, np.float32))
    np.save(folder / "inf.npy", np.full((2, 1, 16, 16), np.inf, np.float32))
    np.save(folder / "size.npy", np.zeros((1, 15, 16), np.float32))
    np.save(folder / "channels.npy", np.zeros((3, 16, 16), np.float32))
    np.save(folder / "rank.npy", np.zeros(5, np.float32))
    np.savez(folder / "many.npz", a=np.zeros(3), b=np.zeros(4))
    np.save(folder / "text.npy", np.array(["a", "b"]))
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 not a zip")
    return {
        "truncated.png": "image truncated.png cannot be read",
        "text.png": "image text.png cannot be read",
        "empty.jpg": "image empty.jpg cannot be read",
        "nan.npy": "256 of 256 values that are NaN or infinite",
        "inf.npy": "NaN or infinite",
        "size.npy": "array size.npy is 1×15×16, model input 'image' wants 1×16×16",
        "channels.npy": "array channels.npy is 3×16×16, model input 'image' wants 1×16×16",
        "rank.npy": "array of rank 1",
        "many.npz": "name the inputs 'images' or 'x'",
        "text.npy": "a model input is made of numbers",
        "broken.npz": "array file broken.npz cannot be read",
    }


@EVERY_IMAGE_VERB
def test_every_kind_of_bad_input_alone(tmp_path, verb):
    bad = bad_images(tmp_path / "bad")
    done = run(verb, CNN, tmp_path / "bad", "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json")
    assert done.code == 2
    assert "12 of 12 inputs failed" in done.err  # inf.npy holds two
    for says in bad.values():
        assert says in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["explain", "report"])
def test_of_many_that_fail_alike_the_first_are_printed(tmp_path, verb):
    for index in range(9):
        (tmp_path / "in" / str(index)).mkdir(parents=True)
        (tmp_path / "in" / str(index) / f"{'abc'[index % 3]}.png").write_bytes(b"nothing" * index)
    np.save(tmp_path / "in" / "nan.npy", np.full((1, 16, 16), np.nan, np.float32))
    done = run(verb, CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / "out")
    lines = done.err.splitlines()
    assert lines[0] == "onnxpath: 10 of 10 inputs failed:" and len(lines) == 8
    assert [line.split()[1] for line in lines[1:6]] == ["0/a.png", "1/b.png", "2/c.png", "3/a.png", "4/b.png"]
    assert lines[6] == "  and 4 more for the same reason" and "array nan.npy has 256 of 256 values" in lines[7]


@EVERY_IMAGE_VERB
def test_good_inputs_among_bad_ones(tmp_path, verb):
    bad = bad_images(tmp_path / "in")
    shutil.copytree(IMAGES, tmp_path / "in", dirs_exist_ok=True)
    done = run(verb, CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json")
    assert done.code == 1
    assert "12 of 24 inputs failed" in done.err and all(says in done.err for says in bad.values())
    if verb == "report":
        assert done.json["inputs"] == done.json["failed"] == 12
    else:
        assert len(done.json["results"]) == len(done.json["failures"]) == 12
        failed = {f["input"].partition("[")[0]: f["error"] for f in done.json["failures"]}
        assert all(says in failed[name] for name, says in bad.items())


def test_pictures_of_the_wrong_size_or_colour(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "rgb.toml").write_text("resize = [16, 16]")
    (tmp_path / "size.toml").write_text("color = 'L'")
    (tmp_path / "crop.toml").write_text("color = 'L'\ncrop = 25")
    (tmp_path / "layout.toml").write_text("color = 'L'\nresize = [16, 16]\nlayout = 'NHWC'")
    says = {
        "rgb": "is 3×16×16 after preprocessing, model input 'image' wants 1×16×16; set color",
        "size": "is 1×20×30 after preprocessing, model input 'image' wants 1×16×16; set resize/crop",
        "crop": "the picture is 20×30 before the crop to 25×25; set resize",
        "layout": 'set layout = "NCHW" in the preprocess file',
    }
    for name, text in says.items():
        out = tmp_path / name
        assert text in refused(out, "explain", CNN, tmp_path / "x.png", "--preprocess", tmp_path / f"{name}.toml")


def test_one_bad_picture_in_a_hundred(tmp_path):
    (tmp_path / "in").mkdir()
    pictures = sorted(IMAGES.glob("*.png"))
    for index in range(100):
        shutil.copy(pictures[index % len(pictures)], tmp_path / "in" / f"{index}.png")
    (tmp_path / "in" / "57.png").write_bytes(pictures[0].read_bytes()[:80])
    done = run_apart("report", CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / "out")
    assert done.code == 1 and "99 inputs, 1 failed" in done.out
    assert (
        "1 of 100 inputs failed:" in done.err
        and "image 57.png cannot be read" in done.err
        and "Traceback" not in done.err
    )
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [item["name"] for item in data["items"]] == [f"{i}.png" for i in range(100) if i != 57]
    assert [failure["name"] for failure in data["failures"]] == ["57.png"]
    assert "image 57.png cannot be read" in (tmp_path / "out" / "report.html").read_text()
    assert len(list((tmp_path / "out" / "arrays").rglob("*.npz"))) == 99


EXP = (
    "m (float[n, 3] x) => (float[n, 4] y) { s = Sigmoid(x); e = Exp(x); u = Mul(s, e); r = Relu(u); y = MatMul(r, w) }"
)
LOG = "m (float[n, 3] x) => (float[n, 4] y) { r = Relu(x); l = Log(r); y = MatMul(l, w) }"
WEIGHT = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize("verb", ["explain", "pathway", "report"])
@pytest.mark.parametrize("method", ["gradient", "input-x-gradient", "integrated-gradients", "pathway-gradient"])
def test_nan_in_activations_names_the_layer_and_spares_the_neighbours(tmp_path, verb, method):
    """exp(1000) is Inf in float32: row 1 fails, and the rows of its batch do not."""
    onnx.save(parse(EXP, w=WEIGHT), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.float32([[1, 2, 3], [1, 1000, 3], [2, 2, 2]]))
    options = [] if verb == "pathway" else ["--method", method]
    done = run(verb, tmp_path / "m.onnx", tmp_path / "x.npy", *options, "-o", tmp_path / "out")
    assert done.code == 1, done
    assert "x.npy[1]: layer 'r' is the first whose activations hold NaN or Inf" in done.err
    assert "1 of 3 inputs failed" in done.err


@pytest.mark.parametrize("verb", ["explain", "pathway", "report"])
def test_a_network_that_breaks_when_masked(tmp_path, verb):
    """log(0) is not finite: the whole network answers, the masked one does not."""
    onnx.save(parse(LOG, w=WEIGHT), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.float32([[1, 2, 3]]))
    text = refused(tmp_path / "out", verb, tmp_path / "m.onnx", tmp_path / "x.npy")
    assert "x.npy[0]: the network masked to its pathway gives NaN or Inf" in text and "choose a lower sparsity" in text


def test_a_target_that_only_the_run_can_refuse(tmp_path):
    text = "m (float[n, k] x) => (float[n, k] y) { r = Relu(x); s = Neg(r); y = Add(s, s) }"
    onnx.save(parse(text), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    for verb in ("explain", "pathway", "report"):
        done = run(verb, tmp_path / "m.onnx", tmp_path / "x.npy", "--target", "3", "-o", tmp_path / "out")
        assert done.code == 2 and "target 3 is out of range: a row of the output has entries 0 to 2" in done.err, done
    assert run("explain", tmp_path / "m.onnx", tmp_path / "x.npy", "--target", "2", "-o", tmp_path / "out").code == 0


def test_an_input_that_onnx_runtime_refuses_spares_the_others(tmp_path):
    text = "m (float[n, k] x) => (float[n, 4] y) { r = Relu(x); m = MatMul(r, w); y = Neg(m) }"
    onnx.save(parse(text, w=np.ones((3, 4), np.float32)), tmp_path / "m.onnx")
    for size in (3, 5):
        np.save(tmp_path / f"{size}.npy", np.ones((2, size), np.float32))
    for verb in IMAGE_VERBS:
        done = run(verb, tmp_path / "m.onnx", tmp_path / "3.npy", tmp_path / "5.npy", "-o", tmp_path / "out")
        assert done.code == 1 and "2 of 4 inputs failed" in done.err and "5.npy[0]: ONNX Runtime failed" in done.err, (
            done
        )


def test_more_class_names_than_outputs_is_a_warning(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(f"class {i}" for i in range(11)))
    done = run(
        "explain",
        CNN,
        ONE_IMAGE,
        "--preprocess",
        PREPROCESS,
        "--classes",
        tmp_path / "names.txt",
        "-o",
        tmp_path / "out",
    )
    assert done.code == 0 and "warning: --classes has 11 names, and the output 10 entries; names may be off" in done.err
    assert (
        "warning"
        not in run(
            "explain", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--classes", CLASSES, "-o", tmp_path / "out"
        ).err
    )


def test_float32_model_takes_other_floats(tmp_path):
    onnx.save(mlp(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 6)))
    np.save(tmp_path / "huge.npy", np.full((1, 6), 1e300))
    done = run("explain", tmp_path / "m.onnx", tmp_path / "x.npy", tmp_path / "huge.npy", "-o", tmp_path / "out")
    assert done.code == 1 and "more than the float32 of model input 'x' can hold" in done.err
