"""Sequences of a known length are replaced by their elements."""

import numpy as np
import pytest
from onnx import parser

import onnxpath
from onnxpath.graph.canonize import load_graph
from tests.check import provider

HEAD = '<ir_version: 10, opset_import: ["": 21]> m (float[n, 5] x) => (float[n, p] y) '
MODELS = {
    "split by size": "{ two = Constant<value = int64 {2}>() i = Constant<value = int64 {-2}>()"
    " s = SplitToSequence<axis = 1>(x, two)  a = SequenceAt(s, i)  y = Mul(a, a) }",
    "split by sizes": "<int64[2] sizes = {1, 4}> { i = Constant<value = int64 {1}>()"
    " s = SplitToSequence<axis = 1>(x, sizes)  a = SequenceAt(s, i)  y = Mul(a, a) }",
    "split into vectors": "{ i = Constant<value = int64 {3}>()  j = Constant<value = int64 {0}>()"
    " s = SplitToSequence<axis = -1, keepdims = 0>(x)  a = SequenceAt(s, i)  b = SequenceAt(s, j)"
    " ab = Mul(a, b)  one = Constant<value = int64[1] {1}>()  y = Unsqueeze(ab, one) }",
    "concatenated": "{ e = Exp(x)  s = SequenceConstruct(x, e)  y = ConcatFromSequence<axis = 1>(s) }",
    "inserted": "{ s0 = SequenceEmpty()  i = Constant<value = int64 {0}>()  e = Exp(x)  s1 = SequenceInsert(s0, x)"
    " s2 = SequenceInsert(s1, e, i)  n = SequenceLength(s2)  f = Cast<to = 1>(n)"
    " c = ConcatFromSequence<axis = 1>(s2)  y = Mul(c, f) }",
    "stacked": "<int64[2] shape = {-1, 10}> { e = Exp(x)  s = SequenceConstruct(x, e)"
    " c = ConcatFromSequence<axis = 1, new_axis = 1>(s)  y = Reshape(c, shape) }",
}
X = np.random.default_rng(0).uniform(0.5, 1, (2, 5)).astype(np.float32)


@pytest.mark.parametrize("text", MODELS.values(), ids=MODELS.keys())
def test_sequences_are_gone_and_the_gradient_is_right(text):
    model = parser.parse_model(HEAD + text)
    canonized = load_graph(model).to_model()
    assert not [node.op_type for node in canonized.graph.node if "Sequence" in node.op_type]
    y = provider(model, {"x": X})["y"]
    np.testing.assert_array_equal(provider(canonized, {"x": X})["y"], y)
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    found = provider(onnxpath.gradient_graph(model), {"x": X, "grad_y": cotangent})["grad_x"]
    for place in np.ndindex(*X.shape):
        step = np.zeros_like(X)
        step[place] = 1e-2
        change = provider(model, {"x": X + step})["y"] - provider(model, {"x": X - step})["y"]
        np.testing.assert_allclose(found[place], np.sum(change * cotangent) / 2e-2, rtol=1e-2, atol=1e-3)


def test_a_sequence_that_is_not_known_stays():
    model = parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> m (float[n, 5] x, int64 i) => (float[n, p] y) '
        "{ e = Exp(x)  s = SequenceConstruct(x, e)  y = SequenceAt(s, i) }"
    )
    found = provider(load_graph(model).to_model(), {"x": X, "i": np.array(1)})["y"]
    np.testing.assert_allclose(found, np.exp(X), rtol=1e-6)
