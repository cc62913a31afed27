"""Rows are run together only where that changes nothing."""

import numpy as np
import pytest
from onnx import parser

import onnxpath
from onnxpath.graph.row_table import CARRIES

HEAD = '<ir_version: 10, opset_import: ["": 21]>'
MIXING = "s = Softmax<axis=0>(x) r = Relu(s) y = Mul(r, x)"


def load(body, rows="N"):
    return onnxpath.load(parser.parse_model(f"{HEAD} g (float[{rows},4] x) => (float[{rows},4] y) {{ {body} }}"), "cpu")


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def test_a_mixing_model_is_run_row_by_row_and_said(x):
    model = load(MIXING)
    together = onnxpath.attribute(model, x, method="gradient").values
    alone = [onnxpath.attribute(load(MIXING), x[i : i + 1], method="gradient").values for i in range(5)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert any("one by one" in note and "Softmax" in note for note in model.graph.notes)


def test_the_comparison_catches_what_the_table_gets_wrong(x, monkeypatch):
    monkeypatch.setitem(CARRIES, "Softmax", lambda node, given: [given[0]])
    model = load(MIXING)
    onnxpath.attribute(model, x, method="gradient")
    assert any("differs from that of its rows alone" in note for note in model.graph.notes)


def test_independent_rows_are_run_together(x):
    model = load("r = Relu(x) y = Softmax(r)")
    assert model.rows_per_run({"x": x}) > 1
    assert not model.graph.notes


@pytest.mark.parametrize(("body", "opened"), [("r = Relu(x) y = Softmax(r)", True), (MIXING, False)])
def test_a_fixed_batch_of_one_is_opened_only_where_rows_are_independent(body, opened, x):
    model = load(body, rows="1")
    assert (model.fixed_rows is None) == opened
    assert len(onnxpath.attribute(model, x, method="gradient").values) == 5
    assert any(("opened" in note) == opened for note in model.graph.notes)


def test_the_real_model_with_a_fixed_batch(data_dir):
    path = data_dir / "models" / "mnist8_cntk.onnx"
    with np.load(data_dir / "images" / "mnist_test.npz") as data:
        rows, labels = data["images"][:20, None].astype(np.float32), data["labels"][:20]
    model = onnxpath.load(path, "cpu")
    assert model.fixed_rows is None
    found = onnxpath.attribute(model, rows, method="gradient")
    assert (found.prediction == labels).mean() > 0.9
    alone = onnxpath.attribute(model, rows[7:8], method="gradient").values
    np.testing.assert_allclose(found.values[7:8], alone, rtol=1e-4, atol=1e-6)
