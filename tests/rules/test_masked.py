"""The gradient of a masked network, which leaves its masks out of the backward part, against the plain rules."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.pathway.programs import GRAD, Setup, mask_name
from onnxpath.runtime.model import load
from onnxpath.runtime.targets import resolve_target
from tests.check import provider
from tests.conftest import ROOT

# Activations that are gates, that are not, and one that is used twice.
CLIPPED = """
<ir_version: 10, opset_import: ["": 21]>
m (float[N, 16, 6, 6] x) => (float[N, 16, 6, 6] y)
<float zero = {0}, float half = {0.5}, float minus = {-1}, float two = {2}>
{
    a = Clip(x, zero, half)
    b = Clip(x, minus, half)
    c = Sub(a, b)
    d = Relu(c)
    e = Clip(d, , two)
    f = Mul(e, a)
    y = Add(f, x)
}
"""


def masked_gradients(model, x):
    """The program of the pathway methods, and the same from public calls; both get the same random masks."""
    loaded, rng = load(model, providers="cpu"), np.random.default_rng(1)
    cotangent = rng.standard_normal((len(x), *loaded.outputs[0].shape[1:]), np.float32)
    setup = Setup.of(loaded, resolve_target(loaded, cotangent, len(x)))
    shapes = {mask_name(layer): (len(x), *layer.shape) for layer in setup.layers}
    masks = {name: (rng.random(shape) < 0.5).astype(np.float32) for name, shape in shapes.items()}
    assert masks
    name, output = loaded.inputs[0].name, loaded.outputs[0].name
    values = setup.masked(True).run({name: x, "cotangent": cotangent, **masks})
    plain = onnxpath.gradient_graph(onnxpath.insert_masks(model, [layer.name for layer in setup.layers]), wrt=[name])
    return values[GRAD + name], provider(plain, {name: x, f"grad_{output}": cotangent, **masks})[f"grad_{name}"]


MODELS = {name: str(ROOT / "sample_models" / f"{name}.onnx") for name in ("digits_cnn", "digits_resnet", "digits_vit")}


@pytest.mark.parametrize("model", [*MODELS.values(), onnx.parser.parse_model(CLIPPED)], ids=[*MODELS, "clipped"])
def test_under_masks(model):
    shape = load(model, providers="cpu").inputs[0].shape[1:]
    found, expected = masked_gradients(model, np.random.default_rng(0).random((3, *shape), np.float32))
    assert np.any(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
