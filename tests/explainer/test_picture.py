"""Pictures in the file: what the model sees and what it shows, against Pillow and the reports' colours."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

import onnxpath
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError
from onnxpath.report.colour import make_map, overlay
from tests.explainer.test_compile import run
from tests.models import parse, relative, sample

PICTURES = {"square": skimage.data.astronaut()[::2, ::2], "wide": skimage.data.coffee()[::2, ::2]}
LAYER = "/Relu_output_0"


def network(layout="NCHW", channels=3, sides=("h", "w"), dtype="float"):
    """A network whose logits are sums over what it is given, so that they show it."""
    shape = f"N, {channels}, {sides[0]}, {sides[1]}" if layout == "NCHW" else f"N, {sides[0]}, {sides[1]}, {channels}"
    text = f"m ({dtype}[{shape}] x) => (float[N, k] y) {{ c = Cast<to = 1>(x); s = Mul(c, c); y = Flatten(s) }}"
    return parse(text).SerializeToString()


SETTINGS = [
    {},
    {"color": "BGR", "scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)},
    {"color": "L", "mean": (128.0,)},
    {"layout": "NHWC", "crop": 64},
    {"crop": (63, 50), "scale": 1 / 127.5, "mean": (1.0,)},
    {"dtype": "float16", "crop": 32},
    {"dtype": "uint8", "crop": 32},
    {"dtype": "uint8", "layout": "NHWC", "crop": 32},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("picture", PICTURES)
def test_the_model_sees_what_it_would_have_seen(picture, settings):
    preprocess = Preprocess(**settings)
    dtype = {"float32": "float"}.get(preprocess.dtype, preprocess.dtype)
    model = network(preprocess.layout, preprocess.channels, dtype=dtype)
    image = PICTURES[picture]
    array, shown = preprocess.apply(Image.fromarray(image))
    values = run(
        onnxpath.compile(model, "gradient", target=0, preprocess=preprocess, overlay=True), {"image": image[None]}
    )
    np.testing.assert_array_equal(values["y"][0], (array.astype(np.float32) ** 2).reshape(-1))
    assert values["attribution"][0].shape == array.shape and values["overlay"][0].shape == shown.shape


@pytest.mark.parametrize(("resize", "levels", "share"), [(64, 1, 0.01), ((48, 80), 1, 0.01), (300, 2, 0.1)], ids=str)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_resize_is_nearly_that_of_pillow(picture, resize, levels, share):
    preprocess, image = Preprocess(resize=resize), PICTURES[picture]
    array, _ = preprocess.apply(Image.fromarray(image))
    values = run(onnxpath.compile(network(), "gradient", target=0, preprocess=preprocess), {"image": image[None]})
    seen = np.rint(np.sqrt(values["y"][0]).reshape(array.shape))
    assert np.abs(seen - array).max() <= levels and np.mean(seen != array) < share


def test_the_overlay_is_that_of_the_reports():
    preprocess = Preprocess(color="L", resize=(16, 16), scale=1 / 255)
    images = np.stack([PICTURES["square"], PICTURES["square"][::-1]])
    made = onnxpath.compile(sample("digits_cnn"), "gradient", preprocess=preprocess, overlay=True)
    values = run(made, {"image": images})
    for row, image in enumerate(images):
        _, shown = preprocess.apply(Image.fromarray(image))
        shown_map = make_map("gradient", values["attribution"][row], 0)
        wanted = overlay(shown, shown_map.values, shown_map.limit)
        # A value halfway between two colours may go either way.
        assert np.mean(values["overlay"][row] != wanted) <= 0.02


@pytest.mark.parametrize("method", ["pathway-gradient", "integrated-gradients"])
def test_methods_that_compute_the_network_several_times(method):
    preprocess = Preprocess(color="L", resize=(16, 16), scale=1 / 255)
    image, loaded = PICTURES["square"], onnxpath.load(sample("digits_cnn"), providers="cpu")
    made = onnxpath.compile(loaded, method, preprocess=preprocess, overlay=True)
    values = run(made, {"image": image[None]})
    array, _ = preprocess.apply(Image.fromarray(image))
    assert relative(values["logits"], onnxpath.attribute(loaded, array[None], method="gradient").logits) <= 1e-2
    assert relative(values["attribution"], onnxpath.attribute(loaded, array[None], method=method).values) <= 0.05


def test_a_map_of_zeros_is_the_greyed_picture():
    text = "m (float[N, 3, h, w] x) => (float[N, 3] y) { z = Mul(x, zero); y = ReduceSum<keepdims = 0>(z, axes) }"
    model = parse(text, zero=np.float32(0), axes=np.array([2, 3]))
    image = PICTURES["wide"]
    values = run(
        onnxpath.compile(model.SerializeToString(), "gradient", preprocess=Preprocess(), overlay=True),
        {"image": image[None]},
    )
    np.testing.assert_array_equal(values["overlay"][0], overlay(image, np.zeros(image.shape[:2]), 0.0))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"color": "RGB"}, "pictures with 3 on axis 1, where the model has 1; is it that of this model"),
        ({"color": "L", "crop": 20}, "20 on axis 2, where the model has 16, 20 on axis 3"),
        ({"color": "L", "dtype": "float16"}, "makes float16, and the model takes float32"),
    ],
)
def test_preprocessing_of_another_model(settings, text):
    with pytest.raises(InputError, match=text):
        onnxpath.compile(sample("digits_cnn"), preprocess=Preprocess(**settings))


def test_an_overlay_without_a_picture():
    with pytest.raises(InputError, match="an overlay needs the picture"):
        onnxpath.compile(sample("digits_cnn"), overlay=True)


@pytest.mark.parametrize(
    "given", [{"method": "gradient", "wrt": [LAYER]}, {"method": "layer-activation", "layer": LAYER}]
)
def test_an_overlay_of_a_layers_map(given):
    with pytest.raises(InputError, match=f"over the picture 'image', and the map is of '{LAYER}'"):
        preprocess = Preprocess(color="L", resize=(16, 16))
        onnxpath.compile(sample("digits_cnn"), preprocess=preprocess, overlay=True, **given)


def test_preprocessing_of_what_is_no_picture():
    model = parse("m (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }").SerializeToString()
    with pytest.raises(InputError, match="one input of four axes"):
        onnxpath.compile(model, "gradient", preprocess=Preprocess())
