"""The table of row axes: what it says of each operator is compared with what ONNX Runtime does to permuted rows."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import parser

from onnxpath.graph.canonize import load_graph
from onnxpath.graph.free_rows import free_rows
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes

CARRIED = {
    "elementwise": "y = Add(x, x)",
    "a constant for all rows": "c = Constant<value_floats=[1.0, 2.0, 3.0, 4.0]>() y = Mul(x, c)",
    "softmax over classes": "y = Softmax<axis=-1>(x)",
    "transposed there and back": "t = Transpose<perm=[1, 0]>(x) r = Relu(t) y = Transpose<perm=[1, 0]>(r)",
    "softmax of the transposed": "t = Transpose<perm=[1, 0]>(x) s = Softmax<axis=0>(t) y = Transpose<perm=[1, 0]>(s)",
    "mean over classes": "a = Constant<value_ints=[1]>() y = ReduceMean<keepdims=0>(x, a)",
    "matrix": "w = Constant<value=float[4,2] {1,2,3,4,5,6,7,8}>() y = MatMul(x, w)",
    "matrix by a vector": (
        "w = Constant<value_floats=[1.0, 2.0, 3.0, 4.0]>() a = Constant<value_ints=[1]>() "
        "p = MatMul(x, w) y = Unsqueeze(p, a)"
    ),
    "vector by matrices": (
        "w = Constant<value_floats=[2.0]>() a = Constant<value_ints=[1]>() u = Unsqueeze(x, a) y = MatMul(w, u)"
    ),
    "vector by a matrix of columns": (
        "w = Constant<value_floats=[1.0, 2.0, 3.0, 4.0]>() a = Constant<value_ints=[1]>() "
        "t = Transpose<perm=[1, 0]>(x) p = MatMul(w, t) y = Unsqueeze(p, a)"
    ),
    "gemm": "w = Constant<value=float[4,2] {1,2,3,4,5,6,7,8}>() y = Gemm(x, w)",
    "reshape with rows first": "s = Constant<value_ints=[0, 2, 2]>() y = Reshape(x, s)",
    "unsqueezed in front": (
        "a = Constant<value_ints=[0]>() u = Unsqueeze(x, a) s = Softmax<axis=-1>(u) y = Squeeze(s, a)"
    ),
    "concat of features": "y = Concat<axis=1>(x, x)",
    "slice of features": "b = Constant<value_ints=[1]>() e = Constant<value_ints=[3]>() y = Slice(x, b, e, b)",
    "gather of features": "i = Constant<value_ints=[3, 0]>() y = Gather<axis=1>(x, i)",
    "einsum": 'w = Constant<value=float[4,2] {1,2,3,4,5,6,7,8}>() y = Einsum<equation="ni,ij->nj">(x, w)',
    "running sum over features": "a = Constant<value=int64 {1}>() y = CumSum(x, a)",
}
MIXED = {
    "softmax over rows": "y = Softmax<axis=0>(x)",
    "mean over rows": "a = Constant<value_ints=[0]>() m = ReduceMean<keepdims=1>(x, a) y = Sub(x, m)",
    "mean over all axes, which are none": (
        "a = Constant<value=int64[0] {}>() m = ReduceMean<keepdims=1>(x, a) y = Sub(x, m)"
    ),
    "softmax over what a vector makes of rows": (
        "w = Constant<value_floats=[1.0, 2.0, 3.0, 4.0]>() a = Constant<value_ints=[1]>() "
        "p = MatMul(x, w) s = Softmax<axis=0>(p) u = Unsqueeze(s, a) y = Mul(x, u)"
    ),
    "a constant for each row": "c = Constant<value=float[2,1] {1,2}>() y = Concat<axis=1>(x, c)",
    "a diagonal": 'd = Einsum<equation="ii->i">(x) a = Constant<value_ints=[1]>() y = Unsqueeze(d, a)',
    "a scale for each row": (
        "s = Constant<value=float[2] {1,2}>() z = Constant<value=uint8[2] {0,0}>() "
        "q = QuantizeLinear<axis=0>(x, s, z) y = DequantizeLinear<axis=0>(q, s, z)"
    ),
    "rows that a branch reads": (
        "n = Shape<end=1>(x) two = Constant<value_ints=[2]>() g = Greater(n, two) c = Squeeze(g) "
        "y = If(c) <then_branch = t () => (p) { p = Softmax<axis=0>(x) }, else_branch = e () => (q) { q = Relu(x) }>"
    ),
    "every row with every other": "t = Transpose<perm=[1, 0]>(x) y = MatMul(x, t)",
    "sum over rows": "t = Transpose<perm=[1, 0]>(x) g = MatMul(t, x) y = MatMul(x, g)",
    "running sum over rows": "a = Constant<value=int64 {0}>() y = CumSum(x, a)",
    "rows joined": "s = Constant<value_ints=[2, -1]>() t = Reshape(x, s) r = Softmax(t) q = Shape(x) y = Reshape(r, q)",
    "rows picked": "i = Constant<value_ints=[0]>() f = Gather<axis=0>(x, i) y = Sub(x, f)",
    "best rows": "k = Constant<value_ints=[1]>() v, j = TopK<axis=0>(x, k) y = Sub(x, v)",
    "normalised over the batch": (
        "o = Constant<value_floats=[1.0, 1.0, 1.0, 1.0]>() z = Constant<value_floats=[0.0, 0.0, 0.0, 0.0]>() "
        "y, rm, rv = BatchNormalization<training_mode=1>(x, o, z, z, o)"
    ),
    "unknown": "y = Det(x)",
}


def model(body, rows="N"):
    shape = "float[N,4,4]" if "Det" in body else f"float[{rows},4]"
    return parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]> g ({shape} x) => (float[{rows},K] y) {{ {body} }}'
    )


def run(proto, x):
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


@pytest.mark.parametrize("body", CARRIED.values(), ids=CARRIED)
def test_carried_rows_are_found_and_do_not_mix(body):
    graph = load_graph(model(body))
    assert row_axes(graph)["y"] == 0
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    order = [3, 0, 4, 1, 2]
    np.testing.assert_allclose(run(graph.to_model(), x[order]), run(graph.to_model(), x)[order], rtol=1e-6)


@pytest.mark.parametrize("body", MIXED.values(), ids=MIXED)
def test_mixing_operators_are_named(body):
    with pytest.raises(MixedRows, match="node '"):
        row_axes(load_graph(model(body)))


@pytest.mark.parametrize("body", CARRIED.values(), ids=CARRIED)
def test_a_batch_of_one_is_opened(body):
    fixed = load_graph(model(body.replace("[0, 2, 2]", "[1, 2, 2]"), rows="1"))
    x = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    opened = run(free_rows(fixed).to_model(), x)
    alone = [run(fixed.to_model(), x[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(opened, np.concatenate(alone), rtol=1e-6)
