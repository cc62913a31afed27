"""Models with subgraphs: one form on load, copies of their own, masks and exposed tensors."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

import onnxpath
from onnxpath.errors import UnknownName, UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import replace_uses
from onnxpath.graph.scope import every_graph, every_node
from onnxpath.graph.subgraphs import captures, scopes

HEAD = '<ir_version: 10, opset_import: ["": 21]> '
BRANCHES = HEAD + (
    "m (float[n, 3] x, bool c) => (float[n, 3] y) <float[3] w = {1, 2, 3}> { h = Relu(x)"
    " y = If(c) <then_branch = t () => (a) <float[1] k = {2}> { p = Mul(h, w)  a = Mul(p, k) },"
    " else_branch = e () => (b) { b = Neg(h) }> }"
)
# The same names in both branches.
SHADOWS = HEAD + (
    "m (float[n, 3] x, bool c) => (float[n, 3] y) { p = Exp(x)"
    " y = If(c) <then_branch = t () => (p2) <float[1] k = {2}> { q = Sin(p)  p2 = Mul(q, k) },"
    " else_branch = e () => (p2) <float[1] k = {3}> { q = Cos(p)  p2 = Mul(q, k) }> }"
)
NESTED = HEAD + (
    "m (float[n, 3] x, int64 M, float[3] u) => (float[n, 3] y) { h = Tanh(x)"
    " y = Loop(M, , h) <body = b (int64 i, bool c, v) => (c2, r) { c2 = Identity(c)  odd = Cast<to = 9>(i)"
    " r = If(odd) <then_branch = t () => (p) { p = Mul(v, u) },"
    " else_branch = e () => (q) { s = Mul(v, h)  q = Sin(s) }> }> }"
)
X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def run(model, feeds, optimised=True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def all_names(model):
    nodes = [name for node in every_node(model.graph) for name in node.output if name]
    given = [v.name for graph in every_graph(model.graph) for v in [*graph.input, *graph.initializer]]
    return nodes + given


@pytest.mark.parametrize("text", [BRANCHES, SHADOWS, NESTED], ids=["branches", "shadows", "nested"])
def test_a_loaded_model_computes_the_same_and_has_unique_names(text):
    model = parser.parse_model(text)
    canonized = load_graph(model).to_model()
    onnx.checker.check_model(canonized, full_check=True)
    assert len(set(all_names(canonized))) == len(all_names(canonized))
    nodes = [node.name for node in every_node(canonized.graph)]
    assert len(set(nodes)) == len(nodes)
    for graph in list(every_graph(canonized.graph))[1:]:
        assert not graph.initializer
    extra = {"M": np.array(3), "u": X[0]} if "int64 M" in text else {}
    for c in (True, False):
        feeds = {"x": X, **(extra or {"c": np.array(c)})}
        np.testing.assert_array_equal(run(canonized, feeds)["y"], run(model, feeds)["y"])


def test_an_old_model_is_converted_inside_its_branches():
    model = parser.parse_model(
        '<ir_version: 6, opset_import: ["": 11]> m (float[n, 3] x, bool c) => (float[n, 3] y) {'
        " y = If(c) <then_branch = t () => (p)"
        " { a = Unsqueeze<axes = [0]>(x)  b = Squeeze<axes = [0]>(a)  p = Sin(b) },"
        " else_branch = e () => (q) { q = Cos(x) }> }"
    )
    for c, function in ((True, np.sin), (False, np.cos)):
        found = run(load_graph(model).to_model(), {"x": X, "c": np.array(c)})["y"]
        np.testing.assert_allclose(found, function(X), rtol=1e-5)


@pytest.mark.parametrize("text", [BRANCHES, NESTED], ids=["branches", "nested"])
def test_a_copy_shares_no_node_and_no_tensor_but_weights(text):
    graph = load_graph(parser.parse_model(text))
    before = graph.to_model().SerializeToString()
    copy = graph.copy()
    assert copy.to_model().SerializeToString() == before
    mine, others = ({id(n) for body in scopes(g.body) for n in body.nodes} for g in (graph, copy))
    assert not mine & others
    mine, others = ({id(t) for t in g.tensors_of_all_scopes().values()} for g in (graph, copy))
    assert not mine & others
    # Rewriting the copy: an outer tensor that branches read, and what is inside them.
    hidden = copy.tensor("h")
    op = Emitter(copy)
    with op.serving("test", "changed"):
        replace_uses(hidden, op.Mul(hidden, op.like(2, hidden)))
    for body in scopes(copy.body):
        for node in body.nodes:
            node.attrs.pop("to", None)
            node.name += "/changed"
    copy.body.toposort()
    assert graph.to_model().SerializeToString() == before
    assert {"h"} <= captures(*list(scopes(graph.body))[1:]).keys()


def test_names_inside_subgraphs_are_not_taken_again():
    graph = load_graph(parser.parse_model(BRANCHES))
    op = Emitter(graph)
    assert op.name("p") != "p" and op.name("h") != "h"


def test_what_subgraphs_make_cannot_be_named_from_outside_what_they_read_can():
    model = parser.parse_model(BRANCHES)
    assert {"x", "h", "w", "y"} <= load_graph(model).tensors().keys()
    with pytest.raises(UnknownName, match="no tensor named 'p'"):
        onnxpath.expose(model, ["p"])


def test_an_exposed_tensor_that_a_branch_reads():
    exposed = onnxpath.expose(parser.parse_model(BRANCHES), ["h"])
    found = run(exposed, {"x": X, "c": np.array(True)})
    np.testing.assert_array_equal(found["h"], np.maximum(X, 0))
    np.testing.assert_allclose(found["y"], np.maximum(X, 0) * [2, 4, 6], rtol=1e-6)


@pytest.mark.parametrize("c", [True, False])
def test_masks_reach_into_branches(c):
    model = parser.parse_model(BRANCHES)
    masked = onnxpath.insert_masks(model, ["h"])
    ones, feeds = np.ones_like(X), {"x": X, "c": np.array(c)}
    for optimised in (False, True):
        np.testing.assert_array_equal(
            run(masked, {**feeds, "mask_h": ones}, optimised)["y"], run(model, feeds, optimised)["y"]
        )
    mask = np.array([[0, 1, 1], [1, 0, 0.5]], np.float32)
    hidden = np.maximum(X, 0) * mask
    expected = hidden * [2, 4, 6] if c else -hidden
    np.testing.assert_allclose(run(masked, {**feeds, "mask_h": mask})["y"], expected, rtol=1e-6)


def test_a_known_condition_leaves_its_branch_alone():
    model = parser.parse_model(BRANCHES.replace(", bool c", "").replace("<float[3] w", "<bool c = {1}, float[3] w"))
    graph = load_graph(model)
    assert [node.op for node in graph.nodes if node.op in ("If", "Neg")] == []
    np.testing.assert_allclose(run(graph.to_model(), {"x": X})["y"], np.maximum(X, 0) * [2, 4, 6], rtol=1e-6)


def test_weights_inside_branches_have_gradients():
    for wrt in ("w", "k"):
        graph = onnxpath.gradient_graph(parser.parse_model(BRANCHES), wrt=[wrt])
        found = run(graph, {"x": X, "c": np.array(True), "grad_y": np.ones_like(X)})[f"grad_{wrt}"]
        hidden = np.maximum(X, 0)
        expected = (2 * hidden).sum(0) if wrt == "w" else [(hidden * [1, 2, 3]).sum()]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_states_of_loops_have_shapes():
    graph = load_graph(parser.parse_model(NESTED))
    body = next(node for node in graph.nodes if node.op == "Loop").attrs["body"]
    assert body.inputs[2].shape == ["n", 3] and graph.outputs[0].shape == ["n", 3]


def test_operators_of_other_domains_are_spelled_out_inside_branches():
    model = parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21, "com.microsoft": 1]> m (float[n, 3] x, bool c) => (float[n, 3] y) {'
        " y = If(c) <then_branch = t () => (a) { h = Sin(x)  a = com.microsoft.QuickGelu<alpha = 1.0>(h) },"
        " else_branch = e () => (b) { b = Neg(x) }> }"
    )
    graph = onnxpath.gradient_graph(model)
    assert {entry.domain for entry in graph.opset_import if entry.domain} <= {"com.microsoft"}
    found = run(graph, {"x": X, "c": np.array(True), "grad_y": np.ones_like(X)})
    h, gate = np.sin(X), 1 / (1 + np.exp(-np.sin(X)))
    np.testing.assert_allclose(found["y"], h * gate, rtol=1e-5)
    np.testing.assert_allclose(found["grad_x"], np.cos(X) * gate * (1 + h * (1 - gate)), rtol=1e-4)


def test_scan_of_opset_8_is_refused():
    model = parser.parse_model(
        '<ir_version: 3, opset_import: ["": 8]> '
        "m (float[1, 2] h, float[1, 3, 2] x) => (float[1, 2] y, float[1, 3, 2] z) {"
        " y, z = Scan(, h, x) <num_scan_inputs = 1, body = b (v, s) => (w, o) { w = Add(v, s)  o = Identity(w) }> }"
    )
    with pytest.raises(UnsupportedOperator, match="opset 8"):
        load_graph(model)
