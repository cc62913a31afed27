"""The whole gradient family on embeddings, in 16 bits, and beside inputs that have no map."""

import numpy as np
import pytest

from onnxpath.attribution.methods import METHODS
from tests.attribution.shared import AVERAGES, LAYER, OF_A_LAYER, attribute, normal_of
from tests.models import parse, relative

RNG = np.random.default_rng(21)
normal = normal_of(RNG)
NOISY = ("smoothgrad", "smoothgrad-squared", "vargrad")
FAMILY = ("deeplift", "rectgrad", *AVERAGES, *NOISY)

TOKENS = """m (int64[n, t] ids) => (float[n, 3] y) {
    e = Gather(E, ids); h = MatMul(e, W); l = LayerNormalization(h, S); a = Relu(l); p = ReduceMean(a, one)
    f = Flatten(p); y = MatMul(f, U)
}"""
TOKEN_WEIGHTS = {"E": normal(9, 4), "W": normal(4, 5), "S": normal(5), "U": normal(5, 3), "one": np.array([1])}


@pytest.mark.parametrize("method", (*FAMILY, *OF_A_LAYER))
def test_models_of_token_ids(method):
    """The map is the embedding's; it is that of the model which begins there."""
    ids = RNG.integers(0, 9, (3, 6))
    after = TOKENS.replace("int64[n, t] ids", "float[n, t, 4] e").replace("e = Gather(E, ids); ", "")
    weights = {k: v for k, v in TOKEN_WEIGHTS.items() if k != "E"}
    extra = {"layer": "a"} if method in OF_A_LAYER else {}
    extra |= {"n_samples": 3} if "n_samples" in METHODS.get(method).defaults else {}
    found = attribute(parse(TOKENS, **TOKEN_WEIGHTS), ids, method, 1, **extra)
    expected = attribute(parse(after, **weights), TOKEN_WEIGHTS["E"][ids], method, 1, **extra)
    assert list(found.maps) == (["a"] if method in LAYER else ["e"])
    assert relative(found.values, expected.values) <= 1e-5


@pytest.mark.parametrize("method", (*FAMILY, *OF_A_LAYER))
def test_sixteen_bits(method):
    """Maps of a float16 model are float32 where products are taken, and near those of the float32 model."""
    weights = {"W": normal(6, 8), "U": normal(8, 3)}
    text = "m (float[n, 6] x) => (float[n, 3] y) { h = MatMul(x, W); a = Relu(h); s = Sigmoid(a); y = MatMul(s, U) }"
    x = normal(4, 6)
    half = {k: v.astype(np.float16) for k, v in weights.items()}
    same = {k: v.astype(np.float32) for k, v in half.items()}
    extra = {"layer": "a"} if method in OF_A_LAYER else {}
    extra |= {"q": 50.0} if method == "rectgrad" else {}
    extra |= {"stdevs": 0.2, "n_samples": 3} if method in (*NOISY, "gradient-shap") else {}
    found = attribute(parse(text.replace("float[", "float16["), **half), x.astype(np.float16), method, 1, **extra)
    expected = attribute(parse(text, **same), x.astype(np.float16).astype(np.float32), method, 1, **extra)
    assert np.isfinite(found.values).all()
    assert found.values.dtype == (np.float16 if method == "layer-activation" else np.float32)
    assert relative(found.values, expected.values) <= 2e-2


def test_inputs_that_have_no_map_are_fed_as_they_are():
    """DeepLIFT's second pass and the others' paths leave integers, and inputs that are not asked for, alone."""
    model = parse(
        "m (float[n, 4] x, float[n, 4] z, int64[n] i) => (float[n, 3] y) { g = Gather(E, i); a = Mul(x, z); "
        "b = Add(a, g); c = Tanh(b); y = MatMul(c, W) }",
        E=normal(5, 4),
        W=normal(4, 3),
    )
    feeds = {"x": normal(3, 4), "z": normal(3, 4), "i": np.array([0, 3, 4])}
    found = attribute(model, feeds, "deeplift", 1, wrt=["x"])
    assert list(found.maps) == ["x"]
    np.testing.assert_allclose(found.delta, 0, atol=1e-5)
    ends = [attribute(model, feeds | {"x": x}, "gradient", 1).logits[:, 1] for x in (feeds["x"], 0 * feeds["x"])]
    np.testing.assert_allclose(found.values.sum(1), ends[0] - ends[1], atol=1e-5)
