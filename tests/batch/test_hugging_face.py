"""preprocessor_config.json: what the library's image processors do, by hand, and what is refused by name."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from onnxpath.batch.preprocess import load_preprocess
from onnxpath.errors import InputError

CONVNEXT = {  # as published with ViT-like models
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.6, 0.7],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 40, "width": 56},
}
CROPPED = {
    **CONVNEXT,
    "size": {"shortest_edge": 64},
    "do_center_crop": True,
    "crop_size": {"height": 56, "width": 48},
    "do_pad": False,
}


def load(tmp_path, config):
    """Read a configuration from a file."""
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(config))
    return load_preprocess(path)


@pytest.fixture(scope="module")
def cat():
    return Image.fromarray(data.chelsea())  # 300 x 451


def by_hand(image, config):
    """The pipeline written out for one picture."""
    x = np.asarray(image, np.float64)
    if config.get("do_rescale", True):
        x = x * config["rescale_factor"]
    if config["do_normalize"]:
        x = (x - config["image_mean"]) / config["image_std"]
    return x.transpose(2, 0, 1)


@pytest.mark.parametrize("changes", [{}, {"do_rescale": False}, {"do_normalize": False}, {"rescale_factor": 0.01}])
def test_resized_to_a_size(tmp_path, cat, changes):
    config = {**CONVNEXT, **changes}
    array, shown = load(tmp_path, config).apply(cat)
    resized = cat.resize((56, 40), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(array, by_hand(resized, config), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(shown, resized)


def test_shorter_side_and_crop(tmp_path, cat):
    array, _ = load(tmp_path, CROPPED).apply(cat)
    resized = cat.resize((64 * 451 // 300, 64), Image.Resampling.BILINEAR)
    left, top = (resized.width - 48) // 2, (64 - 56) // 2
    cropped = resized.crop((left, top, left + 48, top + 56))
    np.testing.assert_allclose(array, by_hand(cropped, CROPPED), rtol=1e-5, atol=1e-5)


def test_channels_turned_round(tmp_path, cat):
    config = {**CONVNEXT, "do_flip_channel_order": True, "do_normalize": False}
    array, _ = load(tmp_path, config).apply(cat)
    resized = cat.resize((56, 40), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(array, by_hand(resized, config)[::-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"resample": 3}, "resample: is bicubic; only bilinear"),
        ({"resample": None}, "resample: is not given, and its default differs"),
        ({"size": 224}, "size: 224 may be a square, or the length of the shorter side"),
        ({"size": {"shortest_edge": 800, "longest_edge": 1333}}, "size: .* is not supported"),
        ({"do_pad": True, "pad_size": 7}, "do_pad: True is not supported\n  pad_size: 7 is not supported"),
        ({"crop_pct": 0.875}, "crop_pct: 0.875 is not supported"),
        ({"do_center_crop": True}, "crop_size: None is not supported"),
        ({"data_format": "channels_last"}, "data_format: 'channels_last' is not supported"),
        ({"image_std": None}, "std"),
    ],
)
def test_what_is_refused_by_name(tmp_path, changes, says):
    config = {**CONVNEXT, **changes}
    if config["image_std"] is None:
        del config["image_std"]
    with pytest.raises(InputError, match=says):
        load(tmp_path, config)


def test_values_are_checked_like_those_of_a_preprocess_file(tmp_path):
    with pytest.raises(InputError, match=r"std: must not hold a zero.*\n.*"):
        load(tmp_path, {**CONVNEXT, "image_std": [1, 0, 1]})
