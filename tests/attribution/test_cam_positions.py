"""Class activation maps of networks built for it: where positions and channels are found, and where there are none."""

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.methods.cam import CAMS
from onnxpath.errors import ModelError, UnknownName
from tests.attribution.shared import attribute, normal_of
from tests.models import mlp, parse, relative, sample, sample_images

normal = normal_of(np.random.default_rng(17))


def test_a_channels_last_input_of_unequal_sides():
    """The positions come back in the input's order, through a Transpose that swaps height and width too."""
    tail = "c = Conv<strides = [1, 2]>(t, K); a = Relu(c); f = Flatten(a); y = MatMul(f, W)"
    weights = {"K": normal(4, 2, 3, 3), "W": normal(64, 3)}
    last = parse(
        f"m (float[n, 9, 6, 2] x) => (float[n, 3] y) {{ t = Transpose<perm = [0, 3, 2, 1]>(x); {tail} }}", **weights
    )
    first = parse(f"m (float[n, 2, 6, 9] t) => (float[n, 3] y) {{ {tail} }}", **weights)
    x = normal(2, 9, 6, 2)
    found = attribute(last, x, "layer-cam", 1)
    expected = attribute(first, x.transpose(0, 3, 2, 1), "layer-cam", 1)
    assert found.values.shape == (2, 9, 6, 1) and np.abs(found.values).max() > 0
    assert relative(found.values, expected.values.transpose(0, 3, 2, 1)) <= 1e-6


def test_an_input_without_channels():
    model = parse(
        "m (float[n, 12] x) => (float[n, 2] y) { i = Unsqueeze(x, one); c = Conv(i, K); a = Relu(c); f = Flatten(a); "
        "y = MatMul(f, W) }",
        one=np.int64([1]),
        K=normal(3, 1, 4),
        W=normal(27, 2),
    )
    x = normal(3, 12)
    found = attribute(model, x, "hires-cam", 0, interpolate="nearest", layer="a")
    assert found.values.shape == (3, 12)
    a = np.maximum([[np.correlate(row, k) for k in initial(model, "K")[:, 0]] for row in x], 0)
    cam = (a * initial(model, "W")[:, 0].reshape(3, 9)).sum(1)
    assert relative(found.values, cam[:, np.arange(12) * 9 // 12]) <= 1e-5


def test_positions_of_tokens_and_open_sizes():
    """Channels are last behind a MatMul, and how many positions there are is known at run time alone."""
    model = parse(
        "m (float[n, t, 4] x) => (float[n, 2] y) { h = MatMul(x, V); a = Relu(h); "
        "p = ReduceMean<keepdims = 0>(a, one); y = MatMul(p, W) }",
        one=np.int64([1]),
        V=normal(4, 5),
        W=normal(5, 2),
    )
    x = normal(2, 7, 4)
    found = attribute(model, x, "hires-cam", 1)
    expected = (np.maximum(x @ initial(model, "V"), 0) @ initial(model, "W")[:, 1:]) / 7
    assert relative(found.values, expected) <= 1e-5


def initial(model, name):
    from onnx import numpy_helper

    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == name)


def test_channels_that_are_off_weigh_nothing():
    """Where activations add up to zero, weights by their share have no value."""
    model = parse(
        "m (float[n, 1, 4, 4] x) => (float[n, 2] y) { c = Conv(x, K); a = Relu(c); f = Flatten(a); y = MatMul(f, W) }",
        K=np.float32([1, -1]).reshape(2, 1, 1, 1),
        W=normal(32, 2),
    )
    x = np.abs(normal(2, 1, 4, 4))
    for method in CAMS:
        assert np.isfinite(attribute(model, x, method, 1).values).all()
    g = initial(model, "W")[:16, 1].reshape(4, 4)
    expected = np.maximum(x * (x * g).sum((2, 3), keepdims=True) / x.sum((2, 3), keepdims=True), 0)
    assert relative(attribute(model, x, "xgrad-cam", 1).values, expected) <= 1e-5


def test_one_of_two_inputs():
    """A table beside a picture has no positions: the picture is named."""
    model = parse(
        "m (float[n, 1, 4, 4] x, float[n, 3] z) => (float[n, 2] y) { c = Conv(x, K); a = Relu(c); f = Flatten(a); "
        "j = Concat<axis = 1>(f, z); h = MatMul(j, V); r = Relu(h); y = MatMul(r, W) }",
        K=normal(2, 1, 1, 1),
        V=normal(35, 6),
        W=normal(6, 2),
    )
    feeds = {"x": normal(2, 1, 4, 4), "z": normal(2, 3)}
    with pytest.raises(ModelError, match="no layer with positions lies between x, z and 'y'"):
        attribute(model, feeds, "grad-cam")
    found = onnxpath.attribute(model, feeds, method="hires-cam", wrt=["x"])
    assert found.values.shape == (2, 1, 4, 4) and "'a' [2 × 4 × 4]" in found.notes[0]
    with pytest.raises(ModelError, match="where the positions of 'a' are in z is not known"):
        attribute(model, feeds, "grad-cam", layer="a")


def test_what_has_no_positions():
    x = sample_images()[:1]
    with pytest.raises(ModelError, match=r"no layer with positions lies between x and 'y'(.|\n)*convolutional"):
        attribute(mlp(), normal(2, 6), "grad-cam")
    with pytest.raises(ModelError, match=r"\[\? × 17 × 48\], does not keep the axes of image(.|\n)*in `layer`"):
        attribute(sample("digits_vit"), x, "grad-cam")
    patches = attribute(sample("digits_vit"), x, "grad-cam", layer="/patches/Conv_output_0")
    assert patches.values.shape == x.shape
    with pytest.raises(UnknownName, match=r"no computed float tensor named 'Relu_2_output_0'; did you mean '/Relu_2"):
        attribute(sample("digits_cnn"), x, "grad-cam", layer="Relu_2_output_0")
    with pytest.raises(UnknownName, match="no interpolation named 'cubic'"):
        attribute(sample("digits_cnn"), x, "grad-cam", interpolate="cubic")
    with pytest.raises(ModelError, match="where the positions of '/Relu_3_output_0' are in image is not known"):
        attribute(sample("digits_cnn"), x, "grad-cam", layer="/Relu_3_output_0")


def test_a_compiled_map_declares_its_shape():
    made = onnxpath.compile(sample("digits_cnn"), method="grad-cam")
    dims = next(o for o in made.graph.output if o.name == "attribution").type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == ["batch", 1, 16, 16]
