"""The preprocess file: what it accepts, what it refuses, and the arithmetic against a plain spelling of it."""

import json

import numpy as np
import pytest
from PIL import Image

from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_defaults_are_the_pixels_as_float_channels_first(pixels):
    array, shown = Preprocess().apply(Image.fromarray(pixels))
    assert array.dtype == np.float32 and array.flags.c_contiguous
    np.testing.assert_array_equal(array, pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(shown, pixels)


def test_arithmetic_is_x_times_scale_minus_mean_over_std(pixels):
    array, _ = Preprocess(scale=1 / 255, mean=MEAN, std=STD, dtype="float64").apply(Image.fromarray(pixels))
    np.testing.assert_allclose(array, ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1), rtol=1e-12)


def test_bgr_turns_the_channels_but_not_what_is_shown(pixels):
    array, shown = Preprocess(color="BGR", layout="NHWC", mean=(1, 2, 3)).apply(Image.fromarray(pixels))
    np.testing.assert_array_equal(array, pixels[:, :, ::-1].astype(np.float32) - [1, 2, 3])
    np.testing.assert_array_equal(shown, pixels)


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (1, 20, 30)), ("NHWC", (20, 30, 1))])
def test_grey_has_one_channel(pixels, layout, shape):
    array, shown = Preprocess(color="L", layout=layout).apply(Image.fromarray(pixels))
    assert array.shape == shape and shown.shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"resize": 10}, (10, 15)),
        ({"resize": [8, 9]}, (8, 9)),
        ({"crop": 12}, (12, 12)),
        ({"resize": 10, "crop": [10, 12]}, (10, 12)),
        ({"resize": 40}, (40, 60)),
    ],
)
def test_resize_and_crop(pixels, options, size):
    array, shown = Preprocess(**options).apply(Image.fromarray(pixels))
    assert array.shape == (3, *size) and shown.shape == (*size, 3)


def test_crop_is_central(pixels):
    _, shown = Preprocess(crop=10).apply(Image.fromarray(pixels))
    np.testing.assert_array_equal(shown, pixels[5:15, 10:20])


def test_shorter_side_of_an_upright_picture(pixels):
    array, _ = Preprocess(resize=10).apply(Image.fromarray(pixels.transpose(1, 0, 2)))
    assert array.shape == (3, 15, 10)


def test_exif_orientation_is_applied_once(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    _, shown = Preprocess().apply(Image.open(tmp_path / "turned.png"))
    np.testing.assert_array_equal(shown, np.rot90(pixels, -1))


def test_transparent_pixels_are_laid_over_white():
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    array, _ = Preprocess().apply(image)
    assert array[:, 0, 0].tolist() == [10, 20, 30] and (array[:, 1:, 1:] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
@pytest.mark.parametrize(("color", "channels"), [("RGB", 3), ("BGR", 3), ("L", 1)])
def test_every_mode_of_pillow(mode, color, channels):
    image = Image.new(mode, (6, 5)) if mode == "I;16" else Image.new("RGB", (6, 5), (200, 100, 50)).convert(mode)
    array, shown = Preprocess(color=color).apply(image)
    assert array.shape == (channels, 5, 6) and shown.dtype == np.uint8


def test_sixteen_bit_grey_spans_the_same_range(tmp_path):
    Image.fromarray(np.array([[0, 65535], [257, 32768]], np.uint16)).save(tmp_path / "deep.png")
    array, _ = Preprocess(color="L").apply(Image.open(tmp_path / "deep.png"))
    assert array[0].tolist() == [[0, 255], [1, 128]]


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png", transparency=0)
    array, _ = Preprocess().apply(Image.open(tmp_path / "p.png"))
    assert array[:, 0].T.tolist() == [[255, 255, 255], [0, 0, 255]]


def test_toml_and_json_give_the_same(tmp_path):
    keys = {"resize": 256, "crop": [224, 224], "scale": 0.5, "mean": [1, 2, 3], "std": 2.0, "color": "BGR"}
    (tmp_path / "p.json").write_text(json.dumps(keys))
    (tmp_path / "p.toml").write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items()))
    expected = Preprocess("NCHW", "BGR", 256, (224, 224), 0.5, (1.0, 2.0, 3.0), (2.0,))
    assert load_preprocess(tmp_path / "p.json") == load_preprocess(tmp_path / "p.toml") == expected
    assert Preprocess(**expected.as_dict()) == expected
    json.dumps(expected.as_dict())


def test_all_bad_keys_are_named_at_once(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(
        'layuot = "NCHW"\ncolor = "CMYK"\nscale = "big"\nstd = [1, 0, 1]\ncrop = [1, 2, 3]\nresize = true\n'
    )
    with pytest.raises(InputError) as caught:
        load_preprocess(path)
    text = str(caught.value)
    assert "unknown key 'layuot'; did you mean 'layout'?" in text
    for key in ("color", "scale", "std", "crop", "resize"):
        assert f"  {key}: must" in text
    assert "known keys: layout, color, resize" in text


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"mean": (1.0, 2.0)}, "mean: has 2 values, color RGB wants 1 or 3"),
        ({"color": "L", "std": (1.0, 2.0, 3.0)}, "std: has 3 values, color L wants 1$"),
        ({"scale": float("nan")}, "scale: must be a finite number"),
        ({"scale": 10**400}, "scale: must be a finite number"),
        ({"mean": 10**400}, "mean: must be a finite number or a list of them"),
        ({"scale": 0}, "must not be zero"),
        ({"mean": ["a"]}, "one per channel"),
        ({"mean": []}, "must not be empty"),
        ({"dtype": "int4"}, "must be one of float32"),
        ({"resize": 0}, "positive whole number"),
    ],
)
def test_bad_values(given, complaint):
    with pytest.raises(InputError, match=complaint):
        Preprocess(**given)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("p.yaml", "layout: NCHW", "neither .toml nor .json"),
        ("p.json", "{", "not valid JSON"),
        ("p.json", "[1]", "holds a list"),
        ("p.toml", "layout", "not valid TOML"),
    ],
)
def test_files_that_are_no_preprocess_file(tmp_path, name, text, complaint):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=complaint):
        load_preprocess(tmp_path / name)


def test_missing_and_binary_preprocess_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_preprocess(tmp_path / "none.toml")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not valid JSON"):
        load_preprocess(tmp_path / "b.json")


def test_picture_smaller_than_the_crop(pixels):
    with pytest.raises(InputError, match="20×30 before the crop to 24×24; set resize"):
        Preprocess(crop=24).apply(Image.fromarray(pixels))


def test_uint8_that_would_overflow(pixels):
    with pytest.raises(InputError, match="uint8 cannot hold"):
        Preprocess(dtype="uint8", scale=2).apply(Image.fromarray(pixels))
    array, _ = Preprocess(dtype="uint8").apply(Image.fromarray(pixels))
    assert array.dtype == np.uint8


def test_greys_beyond_sixteen_bit():
    with pytest.raises(InputError, match="not within 16 bit"):
        Preprocess().apply(Image.fromarray(np.full((4, 4), 1e6, np.float32)))
