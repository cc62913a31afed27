"""`onnxpath radius` and `onnxpath decode`: what they write, and what they refuse."""

import json

import numpy as np
import onnx
import pytest
from PIL import Image

import onnxpath
from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.batch.unprocess import is_picture, spatial_axes, to_picture, value_range
from onnxpath.errors import UnknownName
from tests.cli.program import CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run, tree
from tests.models import parse, sample, sample_images


def on_digits(verb, folder, *options, images=ONE_IMAGE, model=CNN):
    done = run(verb, model, images, "--preprocess", PREPROCESS, "-o", folder, "--json", *options)
    assert done.code == 0, done
    return done.json["results"]


# ------------------------------------------------------------------------------------------------ radius


def test_radius_is_that_of_the_library(tmp_path):
    rows = on_digits("radius", tmp_path, "--sparsity", "0.98", "--units", "50", images=IMAGES)
    x, model = sample_images(), onnxpath.load(CNN, providers="cpu")
    pathways = onnxpath.critical_pathway(model, x, sparsity=0.98)
    whole, masked = (onnxpath.linear_radius(model, x, found, units=50) for found in (None, pathways))
    assert len(rows) == 12
    for row, one, other, pathway in zip(rows, whole, masked, pathways, strict=True):
        assert row["original"]["radius"] == pytest.approx(one.radius, rel=1e-3)
        assert row["pathway"]["radius"] == pytest.approx(other.radius, rel=1e-3)
        assert (row["original"]["bound"], row["original"]["units"]) == (one.bound, one.units)
        assert row["density"] == pathway.density and row["pathway"]["layer"] == other.nearest.layer
        with np.load(row["file"]) as saved:
            assert sorted(saved) == ["original_image", "pathway_image"]
            np.testing.assert_allclose(saved["pathway_image"], other.nearest.direction["image"], atol=1e-3)
    assert json.loads((tmp_path / "radius.json").read_text())["results"] == rows


def test_radius_with_few_units_says_at_most(tmp_path):
    done = run("radius", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--units", "5", "-o", tmp_path)
    assert done.code == 0 and "radius at most" in done.out
    (row,) = on_digits("radius", tmp_path / "b", "--units", "5", "--selector", "random")
    assert row["original"]["bound"] == row["pathway"]["bound"] == "upper" and row["original"]["units"] == 30
    assert row["selector"] == "random"


def test_radius_of_a_network_that_bends_everywhere(tmp_path):
    text = refused(tmp_path / "out", "radius", sample("digits_vit"), ONE_IMAGE, "--preprocess", PREPROCESS)
    assert "these are not affine" in text and "Softmax" in text and "LayerNormalization" in text


def test_radius_of_a_network_that_never_bends(tmp_path):
    text = "m (float[n, 3] x) => (float[n, 3] y) { a = Clip(x, , ); y = Add(a, x) }"
    onnx.save(parse(text), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    done = run("radius", tmp_path / "m.onnx", tmp_path / "x.npy", "-o", tmp_path / "out", "--json")
    assert done.code == 0 and [r["original"]["radius"] for r in done.json["results"]] == [None, None]
    assert "radius inf" in run("radius", tmp_path / "m.onnx", tmp_path / "x.npy", "-o", tmp_path / "out").out


def test_units_that_typer_refuses(tmp_path):
    done = run("radius", CNN, ONE_IMAGE, "-o", tmp_path / "out", "--units", "0")
    assert done.code == 2 and "--units" in done.err and tree(tmp_path) == []


# ------------------------------------------------------------------------------------------------ decode


def test_decode_is_that_of_the_library(tmp_path):
    networks = ["--network", "original", "--network", "active", "--network", "pathway"]
    rows = on_digits("decode", tmp_path, *networks, "--steps", "6", "--sparsity", "0.8", images=IMAGES)
    x, model = sample_images(), onnxpath.load(CNN, providers="cpu")
    preprocess = load_preprocess(PREPROCESS)
    masks = {
        "original": None,
        "active": onnxpath.critical_pathway(model, x, selector="active-subnet"),
        "pathway": onnxpath.critical_pathway(model, x, sparsity=0.8),
    }
    for name, pathways in masks.items():
        expected = onnxpath.decode(model, x, pathways=pathways, steps=6, value_range=value_range(preprocess))
        for number, row in enumerate(rows):
            with np.load(row["array"]) as saved:
                np.testing.assert_allclose(saved[f"input_{name}"], expected.values[number], atol=1e-3)
                assert len(saved[f"scores_{name}"]) == 7
            picture = np.asarray(Image.open(row["pictures"][name]))
            assert np.abs(picture[..., 0] - _pixels(preprocess, expected.values[number])).max() <= 1
            assert row["logits"][name][1] > row["logits"][name][0]
            assert row["target"]["index"] == expected.target[number]
    assert list(rows[0]["pictures"]) == list(masks) and list(rows[0]["densities"]) == ["active", "pathway"]


def _pixels(preprocess, row):
    """By hand: the sample pictures are grey."""
    (mean,), (std,) = preprocess.mean or (0,), preprocess.std or (1,)
    return np.clip(np.rint((row[0] * std + mean) / preprocess.scale), 0, 255)


def test_decode_makes_one_picture_unless_more_are_asked_for(tmp_path):
    (row,) = on_digits("decode", tmp_path, "--steps", "2", "--parametrisation", "fourier", "--jitter", "2")
    assert list(row["pictures"]) == ["pathway"] and len(tree(tmp_path)) == 2


def test_decode_of_rows_that_are_no_pictures(tmp_path):
    text = "m (float[n, 3] x) => (float[n, 3] y) { a = Relu(x); y = Add(a, x) }"
    onnx.save(parse(text), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    done = run("decode", tmp_path / "m.onnx", tmp_path / "x.npy", "--steps", "3", "-o", tmp_path / "out", "--json")
    assert done.code == 0 and all(row["pictures"] == {} for row in done.json["results"])
    assert all(name.endswith(".npz") for name in tree(tmp_path / "out"))
    text = refused(tmp_path / "no", "decode", tmp_path / "m.onnx", tmp_path / "x.npy", "--jitter", "1", "--target", "7")
    assert "need two spatial axes, and the rows of 'x' have 1" in text and "target 7 is out of range" in text


def test_decode_tells_all_problems_at_once(tmp_path):
    text = refused(
        *(tmp_path / "out", "decode", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--network", "orignal"),
        *("--selector", "neuron-mtc", "--parametrisation", "fourrier"),
    )
    for part in ("no network to decode named 'orignal'; did you mean 'original'?", "'neuron-mct'", "'fourier'"):
        assert part in text
    text = refused(tmp_path / "out", "decode", CNN, ONE_IMAGE, "--learning-rate", "-1")
    assert "a positive learning rate" in text


@pytest.mark.parametrize(("option", "value"), [("--steps", "0"), ("--jitter", "-1"), ("--seed", "-1")])
def test_numbers_that_typer_refuses(tmp_path, option, value):
    done = run("decode", CNN, ONE_IMAGE, "-o", tmp_path / "out", option, value)
    assert done.code == 2 and option in done.err and "Usage" in done.err and tree(tmp_path) == []


# ------------------------------------------------------------------------------------------------ the way back


SETTINGS = [
    {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    {"layout": "NHWC", "color": "BGR", "mean": (104.0, 117.0, 124.0)},
    {"color": "L", "scale": -1 / 255, "mean": 0.5},
    {},
]


@pytest.mark.parametrize("given", SETTINGS)
def test_a_picture_comes_back(given):
    preprocess = Preprocess(**given)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    row, shown = preprocess.apply(Image.fromarray(pixels))
    np.testing.assert_array_equal(to_picture(preprocess, row), shown)
    assert is_picture(preprocess, row.shape) and not is_picture(preprocess, row.shape[1:])
    low, high = value_range(preprocess)
    for ends, colour in ((low, 0), (high, 255)) if preprocess.scale > 0 else ((high, 0), (low, 255)):
        flat, _ = preprocess.apply(Image.fromarray(np.full((5, 7, 3), colour, np.uint8)))
        np.testing.assert_allclose(np.broadcast_to(ends, row.shape), flat, atol=1e-5)
    assert [row.shape[axis] for axis in spatial_axes(preprocess)] == [5, 7]
    np.testing.assert_array_equal(to_picture(preprocess, np.where(row > 0, 1e6, -1e6)) % 255, 0)


def test_networks_are_named():
    from onnxpath.batch.decoded import check_networks

    assert check_networks(["pathway", "active", "pathway"]) == ["pathway", "active"]
    with pytest.raises(UnknownName, match="did you mean 'active'"):
        check_networks(["activ"])
