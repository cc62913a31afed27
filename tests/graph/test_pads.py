"""Folding Pad into the convolutions that read it."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.pads import fold_pads
from tests.check import provider

HEAD = '<ir_version: 10, opset_import: ["": 21]> m (float[N, 2, 5, 6] x, float[3, 2, 3, 2] w) => (float[N, 3, P, Q] y)'
WEIGHTS = (
    "<int64[8] pads = {0, 0, 0, 1, 0, 0, 2, 1}, int64[8] cut = {0, 0, 0, -1, 0, 0, 2, 1}, int64[8] channels = "
    "{0, 1, 0, 0, 0, 0, 0, 0}, int64[2] two = {1, 2}, int64[1] last = {-1}, float one = {1}, float zero = {0}>"
)
FOLDED = {
    "pads": "p = Pad(x, pads) y = Conv(p, w)",
    "a constant of zero": "p = Pad(x, pads, zero) y = Conv(p, w)",
    "one axis": "p = Pad(x, two, , last) y = Conv(p, w)",
    "pads of its own, strides": "p = Pad(x, pads) y = Conv<pads = [1, 0, 1, 1], strides = [2, 1]>(p, w)",
    "two readers": "p = Pad(x, pads) a = Conv(p, w) b = Conv(p, w) y = Add(a, b)",
    "two in a row": "q = Pad(x, pads) p = Pad(q, two, , last) y = Conv(p, w)",
}
LEFT = {
    "another constant": "p = Pad(x, pads, one) y = Conv(p, w)",
    "another mode": 'p = Pad<mode = "reflect">(x, pads) y = Conv(p, w)',
    "a cut": "p = Pad(x, cut) y = Conv(p, w)",
    "channels": "z = Slice(x, two, two) p = Pad(x, channels) q = Concat<axis = 0>(w, w) y = Relu(p)",
    "another reader": "p = Pad(x, pads) r = Relu(p) y = Conv(r, w)",
}


def model(body):
    return onnx.parser.parse_model(f"{HEAD} {WEIGHTS} {{ {body} }}")


def feeds():
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((2, 2, 5, 6), np.float32), "w": rng.standard_normal((3, 2, 3, 2), np.float32)}


@pytest.mark.parametrize("body", FOLDED.values(), ids=FOLDED.keys())
def test_folded(body):
    graph = load_graph(model(body))
    assert fold_pads(graph)
    found = graph.to_model()
    assert not [node for node in found.graph.node if node.op_type == "Pad"] or "q = Pad" in body
    np.testing.assert_allclose(provider(found, feeds())["y"], provider(model(body), feeds())["y"], atol=1e-5)


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT.keys())
def test_left(body):
    assert not fold_pads(load_graph(model(body)))


def test_a_tensor_that_is_asked_for_stays():
    assert not fold_pads(load_graph(model(FOLDED["pads"])), keep=["p"])
    names = [output.name for output in onnxpath.gradient_graph(model(FOLDED["pads"]), wrt=["p"]).graph.output]
    assert names == ["y", "grad_p"]
