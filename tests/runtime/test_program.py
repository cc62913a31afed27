"""Weights that sessions read where the model has them."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.graph.ir import Constant
from onnxpath.runtime import program as programs
from onnxpath.runtime.program import Program, as_program
from onnxpath.runtime.session import Session


def dense(listed=False):
    made = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> m (float[N, 64] x) => (float[N, 32] y)'
        "<float[64, 32] w, float[32] b> { t = MatMul(x, w)\n r = Relu(t)\n y = Add(r, b) }"
    )
    del made.graph.initializer[:]
    rng = np.random.default_rng(0)
    made.graph.initializer.append(onnx.numpy_helper.from_array(rng.standard_normal((64, 32), np.float32), "w"))
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(32, np.float32), "b"))
    if listed:
        made.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [64, 32]))
    return made


def test_a_program_holds_no_large_weights_of_its_own():
    loaded = onnxpath.load(dense(), providers="cpu")
    loaded.session("model", loaded.program)
    program = loaded.program()
    assert list(program.weights) == ["w"]
    held = next(t for t in loaded.graph.tensors().values() if isinstance(t, Constant) and t.name == "w")
    assert program.weights["w"] is held.values
    assert program.model.ByteSize() < held.values.nbytes
    copied = next(t for t in loaded.graph.copy().tensors().values() if t.name == "w")
    assert copied.values is held.values


@pytest.mark.parametrize("packed", [True, False])
def test_a_session_computes_with_them(monkeypatch, packed):
    if not packed:
        monkeypatch.setattr(programs, "PACKED", 1)
    loaded = onnxpath.load(dense(), providers="cpu")
    x = np.random.default_rng(1).standard_normal((3, 64), np.float32)
    expected = np.maximum(x @ loaded.program().weights["w"], 0) + 1
    np.testing.assert_allclose(Session(loaded.program()).run({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)
    found = onnxpath.attribute(loaded, x, 5, method="gradient").values
    weight = loaded.program().weights["w"]
    np.testing.assert_allclose(found, (x @ weight[:, 5:6] > 0) * weight[:, 5], rtol=1e-5)


def test_weights_outlive_the_model():
    session = Session(onnxpath.load(dense(), providers="cpu").program())
    expected = Session(dense()).run({"x": np.ones((2, 64), np.float32)})["y"]
    held = [np.full((64, 32), 7, np.float32) for _ in range(100)]
    np.testing.assert_array_equal(session.run({"x": np.ones((2, 64), np.float32)})["y"], expected)
    assert len(held) == 100


def test_weights_that_may_be_fed_stay_in_the_model():
    loaded = onnxpath.load(dense(listed=True), providers="cpu")
    assert loaded.program().weights == {}
    assert "w" in [t.name for t in loaded.program().model.graph.initializer]


def test_on_cuda_and_for_dtypes_without_arrays_the_model_is_whole():
    graph = onnxpath.load(dense(), providers="cpu").graph
    assert as_program(graph, "cuda").weights == {}
    next(t for t in graph.tensors().values() if t.name == "w").values = np.ones((64, 32), np.uint16)
    assert as_program(graph, "cpu").weights == {}


def test_a_session_keeps_no_copy_of_the_file():
    assert Session(Program(dense()))._session._model_bytes is None
