"""Maps of a layer and of a neuron: batches, sums over all units, and layers that have none."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName
from tests.attribution.shared import LAYER, OF_A_LAYER, attribute, normal_of
from tests.models import mlp, parse, relative, sample, sample_images

normal = normal_of(np.random.default_rng(21))


@pytest.mark.parametrize("method", OF_A_LAYER)
def test_a_layer_has_to_be_named(method):
    x = sample_images()[:1]
    with pytest.raises(InputError, match="needs the option `layer`: a tensor of the model"):
        attribute(sample("digits_cnn"), x, method)
    with pytest.raises(UnknownName, match=r"no computed float tensor named '/Relu_output'; did you mean '/Relu_outp"):
        attribute(sample("digits_cnn"), x, method, layer="/Relu_output")
    turned = parse("m (float[n, 3] x) => (float[n, 3] y) { u = Transpose(x); a = Relu(u); y = Transpose(a) }")
    with pytest.raises(InputError, match="'a' counts rows on axis 1, and a map needs them on its first"):
        attribute(turned, normal(2, 3), method, layer="a")


@pytest.mark.parametrize("method", LAYER)
@pytest.mark.parametrize("name", ["digits_resnet", "digits_vit"])
def test_layers_of_a_batch(method, name):
    x, model = sample_images()[:5], onnxpath.load(sample(name), providers="cpu")
    layer = model.layers()[1].name
    together = onnxpath.attribute(model, x, None, method, layer=layer)
    single = [onnxpath.attribute(model, x[i : i + 1], None, method, layer=layer) for i in range(5)]
    small = onnxpath.load(sample(name), providers="cpu", memory=1)
    assert list(together.maps) == [layer] and together.values.dtype == np.float32
    assert relative(np.concatenate([s.values for s in single]), together.values) <= 1e-3
    assert relative(onnxpath.attribute(small, x, None, method, layer=layer).values, together.values) <= 1e-3
    assert (together.delta is None) == (method != "conductance")


def test_conductance_sums_to_the_change_at_every_layer():
    x, model = sample_images()[:3], onnxpath.load(sample("digits_cnn"), providers="cpu")
    for layer in ("image", model.layers()[0].name, model.layers()[3].name):
        found = onnxpath.attribute(model, x, None, "conductance", layer=layer, n_steps=200, quadrature="trapezoid")
        assert np.abs(found.delta).max() <= 0.05 * np.abs(found.logits).max()


def test_neuron_conductances_add_up_to_integrated_gradients():
    """Over all units of a layer that all paths pass; what is no unit of it is refused."""
    x, model = normal(3, 6), onnxpath.load(mlp(), providers="cpu")
    asked = {"method": "neuron-conductance", "layer": "a0", "n_steps": 4}
    parts = [onnxpath.attribute(model, x, 2, neuron=unit, **asked).values for unit in range(8)]
    whole = onnxpath.attribute(model, x, 2, "integrated-gradients", n_steps=4)
    assert relative(np.sum(parts, 0), whole.values) <= 1e-5
    largest = attribute(model, x, "layer-activation", layer="a0").values.argmax(1)
    found = onnxpath.attribute(model, x, 2, **asked)
    assert relative(found.values, np.stack([parts[unit][i] for i, unit in enumerate(largest)])) <= 1e-6
    alone = [onnxpath.attribute(model, x[i : i + 1], 2, **asked).values for i in range(3)]
    assert relative(np.concatenate(alone), found.values) <= 1e-5
    with pytest.raises(InputError, match="target 8 is out of range: 'a0' has entries 0 to 7 in a row"):
        onnxpath.attribute(model, x, 2, neuron=8, **asked)
    with pytest.raises(InputError, match="`neuron` is an entry of the layer"):
        onnxpath.attribute(model, x, 2, neuron=np.ones((3, 8), np.float32), **asked)


def test_a_layer_that_the_target_does_not_depend_on():
    model = parse("m (float[n, 4] x) => (float[n, 4] y, float[n, 4] z) { y = Relu(x); z = Tanh(x) }")
    for method in OF_A_LAYER[1:]:
        with pytest.raises(ModelError, match="no float path leads from z to y"):
            attribute(model, normal(2, 4), method, layer="z")
