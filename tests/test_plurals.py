"""One of a thing is told in the singular: in the terminal, on pages and in errors."""

import re

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.report.template import environment
from onnxpath.shown import plural
from tests.cli.program import CNN, ONE_IMAGE, PREPROCESS, run
from tests.models import parse

ONE = r">?\b1(</b>)? (inputs|layers|neuron layers|metrics|methods|baselines|nodes|tensors|trainings|parameters|rows)\b"


@pytest.fixture
def small(tmp_path):
    """A model with one neuron layer, one node a kind, and one parameter."""
    text = "m (float[n, 2] x) => (float[n, 2] y) { r = Relu(x); y = Mul(r, w) }"
    onnx.save(parse(text, w=np.ones(1, np.float32)), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((1, 2), np.float32))
    return tmp_path / "m.onnx", tmp_path / "x.npy"


def test_a_noun_behind_a_count():
    assert [f"{n} {plural('neuron layer', n)}" for n in (0, 1, 2)] == [
        "0 neuron layers",
        "1 neuron layer",
        "2 neuron layers",
    ]
    assert environment().from_string("{{ 1 }} {{ 'metric'|plural(1) }}").render() == "1 metric"


def has_one_of_many(text):
    return re.search(ONE, text)


def test_one_input_one_metric_one_layer(tmp_path, small):
    model, x = small
    done = run("report", model, x, "--method", "gradient", "-o", tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert (
        "1 input" in done.out and "1 neuron layer<" in page and "m.onnx on 1 input<" in page and "1 parameter<" in page
    )
    assert not has_one_of_many(done.out) and not has_one_of_many(page)
    words = ["--methods", "gradient", "--metrics", "lerf", "--metric-option", "steps=20,50", "-o", tmp_path / "scores"]
    done = run("evaluate", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, *words)
    page = (tmp_path / "scores" / "evaluation.html").read_text("utf-8")
    assert ": 1 input, " in done.out and "1 metric<" in page and "1 method beside" in page
    assert not has_one_of_many(done.out) and not has_one_of_many(page)
    run("pathway", model, x, "--analysis", "layers", "-o", tmp_path / "pathways")
    page = (tmp_path / "pathways" / "pathways.html").read_text("utf-8")
    assert "1 neuron layer<" in page and "1 input<" in page
    done = run("inspect", model)
    assert "2 nodes, 1 parameter\n" in done.out and "1 neuron layer, " in done.out
    assert not has_one_of_many(done.out)


def test_one_input_that_fails(tmp_path, small):
    np.save(tmp_path / "bad.npy", np.full((1, 2), np.nan, np.float32))
    done = run("report", small[0], tmp_path / "bad.npy", "-o", tmp_path / "out")
    assert done.code == 2 and "1 of 1 input failed" in done.err


def test_a_class_name_alone(tmp_path, small):
    (tmp_path / "names.txt").write_text("cat")
    done = run("explain", *small, "--classes", tmp_path / "names.txt", "-o", tmp_path / "out")
    assert "--classes has 1 name, and the output 2 entries; names may be off" in done.err
    assert repr(onnxpath.load(small[0])).startswith("Model('m.onnx', 2 nodes")
