"""One name where several may be given is a name, not its letters, in every public call."""

import numpy as np
import pytest

import onnxpath
from tests.cli.program import CNN, ONE_IMAGE, PREPROCESS
from tests.models import mlp

X = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
MODEL = mlp()


def outputs(made):
    return [value.name for value in made.graph.output]


@pytest.mark.parametrize("names", [str, lambda name: [name], lambda name: (name, name)])
def test_one_name(names):
    assert outputs(onnxpath.gradient_graph(MODEL, wrt=names("x"), of=names("y"))) == ["y", "grad_x"]
    assert outputs(onnxpath.compile(MODEL, "gradient", wrt=names("x"))) == ["y", "attribution"]
    assert outputs(onnxpath.expose(MODEL, names("y"))) == ["y"]
    layer = onnxpath.load(MODEL).layers()[0].name
    masked = onnxpath.insert_masks(MODEL, layers=names(layer))
    assert [value.name for value in masked.graph.input] == ["x", f"mask_{layer}"]
    assert onnxpath.load(MODEL, wrt=names("x")).sources == ["x"]
    assert list(onnxpath.attribute(MODEL, X, method="gradient", wrt=names("x")).maps) == ["x"]
    assert list(onnxpath.compare(MODEL, MODEL, X, methods=names("gradient")).inputs[0].maps) == ["gradient"]
    scores = onnxpath.evaluate(MODEL, X, methods=names("gradient"), metrics=names("sparseness"), samples=10).scores
    assert {score.metric for score in scores} == {"sparseness"} and "gradient" in {score.method for score in scores}


def test_one_method_of_a_report(tmp_path):
    made = onnxpath.report(CNN, ONE_IMAGE, tmp_path / "out", preprocess=PREPROCESS, methods="gradient")
    assert made.explained == 1
