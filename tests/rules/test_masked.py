"""The gradient of a masked network, which leaves its masks out of the backward part, against the plain rules."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.pathway.programs import GRAD, LOGITS, Setup, mask_name
from onnxpath.runtime.model import load
from onnxpath.runtime.targets import resolve_target
from tests.check import provider
from tests.conftest import ROOT

# Activations that are gates, that are not, and one that is used twice.
CLIPPED = """
<ir_version: 10, opset_import: ["": 21]>
m (float[N, 16, 6, 6] x) => (float[N, 16, 6, 6] y) <float zero = {0}, float half = {0.5}, float minus = {-1}, float two = {2}>
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
    setup = Setup.of(load(model, providers="cpu"), resolve_target(load(model, providers="cpu"), 3, len(x)))
    rng = np.random.default_rng(1)
    masks = {mask_name(layer): (rng.random((len(x), *layer.shape)) < 0.5).astype(np.float32) for layer in setup.layers}
    assert masks
    name = setup.model.inputs[0].name
    values = setup.masked(True).run({name: x, "target": np.full(len(x), 3), **masks})
    plain = onnxpath.gradient_graph(onnxpath.insert_masks(model, [layer.name for layer in setup.layers]), wrt=[name])
    output = plain.graph.output[0].name
    cotangent = np.zeros(values[LOGITS].shape, np.float32)
    cotangent.reshape(len(x), -1)[:, 3] = 1
    return values[GRAD + name], provider(plain, {name: x, f"grad_{output}": cotangent, **masks})[f"grad_{name}"]


MODELS = {name: str(ROOT / "sample_models" / f"{name}.onnx") for name in ("digits_cnn", "digits_resnet", "digits_vit")}


@pytest.mark.parametrize("model", [*MODELS.values(), onnx.parser.parse_model(CLIPPED)], ids=[*MODELS, "clipped"])
def test_gradient_under_masks(model):
    shape = load(model, providers="cpu").inputs[0].shape[1:]
    found, expected = masked_gradients(model, np.random.default_rng(0).random((3, *shape), np.float32))
    assert np.any(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
