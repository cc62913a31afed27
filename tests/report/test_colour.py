"""Signed values as colours, and the rule that says where the scale ends."""

import io

import numpy as np
import pytest
from PIL import Image

from onnxpath.errors import InputError
from onnxpath.report.colour import (
    colour_bar,
    css_gradient,
    make_map,
    map_rgb,
    overlay,
    palette,
    reduce_for_display,
    signed_limit,
)
from onnxpath.report.encode import LARGEST, map_png, map_uri, picture_uri, shrink

RED, WHITE, BLUE = [255, 0, 0], [255, 255, 255], [0, 0, 255]


def test_red_supports_blue_opposes_white_is_zero():
    colours = map_rgb(np.array([[2.0, 0.0, -2.0], [9.0, 1e-9, -9.0]]), 2.0)
    assert colours.tolist() == [[RED, WHITE, BLUE], [RED, WHITE, BLUE]]


@pytest.mark.parametrize("levels", [255, 21, 3])
def test_the_middle_of_the_palette_is_exactly_white(levels):
    assert palette(levels)[levels // 2].tolist() == WHITE and len(palette(levels)) == levels


def test_limit_is_a_percentile_and_says_so():
    values = np.linspace(-1, 1, 100_001)
    limit, clipping = signed_limit(values)
    assert limit == pytest.approx(0.999, abs=1e-3)
    assert clipping == "clipped at the 99.9th percentile of |value| = 0.999"


def test_limit_of_maps_that_are_almost_or_wholly_zero():
    values = np.zeros((100, 100))
    assert signed_limit(values) == (0.0, "all values are zero")
    assert map_rgb(values, 0.0).min() == 255
    values[3, 4] = -0.25
    assert signed_limit(values) == (0.25, "not clipped: the largest |value| is 0.25")
    assert signed_limit(np.zeros(0))[0] == 0.0


@pytest.mark.parametrize(
    ("shape", "axis", "reduced", "words"),
    [
        ((3, 8, 9), 0, (8, 9), "summed over 3 channels"),
        ((8, 9, 3), 2, (8, 9), "summed over 3 channels"),
        ((1, 8, 9), 0, (8, 9), ""),
        ((12, 64), 1, (12,), "summed over 64 channels"),
        ((30,), None, (30,), ""),
        ((), None, (1,), ""),
        ((2, 4, 8, 9), 0, (8, 9), "summed over 2 channels, summed over 1 further axes"),
    ],
)
def test_reduction_for_display(shape, axis, reduced, words):
    values = np.random.default_rng(0).normal(size=shape)
    result, said = reduce_for_display(values, axis)
    assert result.shape == reduced and said == words
    assert result.sum() == pytest.approx(values.sum())


def test_map_facts_are_those_before_clipping():
    values = np.zeros((2, 50, 50))
    values[:, 0, 0] = 3.0
    values[1, 1, 1] = -4.0
    entry = make_map("gradient", values, 0, note="no mask")
    assert (entry.min, entry.max, entry.sum) == (-4.0, 6.0, 2.0)
    assert entry.note == "summed over 2 channels; no mask" and entry.values.shape == (50, 50)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(InputError, match="method 'gradient' has 1 of 4 values"):
        make_map("gradient", np.array([[0, bad], [1, 2]]), None)


def test_overlay_leaves_the_grey_picture_where_the_map_is_zero():
    shown = np.full((2, 2, 3), 100, np.uint8)
    result = overlay(shown, np.array([[0.0, 0.0], [1.0, -1.0]]), 1.0)
    grey = round(100 * 0.55 + 255 * 0.45)
    assert result[0, 0].tolist() == [grey] * 3
    assert result[1].tolist() == [[grey, 0, 0], [0, 0, grey]]


def test_colour_bar_and_its_css_run_from_blue_to_red():
    bar = colour_bar(101, 3)
    assert bar.shape == (3, 101, 3) and bar[0, [0, 50, 100]].tolist() == [BLUE, WHITE, RED]
    assert css_gradient().startswith("linear-gradient(90deg, rgb(0 0 255)") and "rgb(255 255 255)" in css_gradient()


def test_png_of_a_map_has_its_size_and_colours():
    values = np.random.default_rng(0).normal(size=(20, 30))
    image = Image.open(io.BytesIO(map_png(values, 1.0)))
    assert image.format == "PNG" and image.mode == "P" and image.size == (30, 20)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), map_rgb(values, 1.0))
    assert Image.open(io.BytesIO(map_png(values[0], 1.0))).size == (30, 1)


def decode(uri):
    import base64

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_data_uris_of_maps_and_tiny_pictures_are_exact():
    values = np.random.default_rng(0).normal(size=(32, 32))
    np.testing.assert_array_equal(decode(map_uri(values, 1.0)), map_rgb(values, 1.0))
    shown = np.random.default_rng(0).integers(0, 256, (32, 28, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(picture_uri(shown)), shown)


def test_large_pictures_and_maps_are_shrunk():
    assert max(decode(picture_uri(np.zeros((600, 300, 3), np.uint8))).shape) == LARGEST
    values = np.random.default_rng(0).normal(size=(600, 301))
    small = shrink(values)
    assert small.shape == (200, 101)
    assert small[0, 0] == pytest.approx(values[:3, :3].mean())
    assert small[-1, -1] == pytest.approx(values[597:, 300:].mean())
