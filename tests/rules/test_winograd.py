"""Convolutions respelled for speed: the plain ones are the oracle."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.graph.canonize import load_graph
from onnxpath.lowering.winograd import MACHINES, by_winograd
from tests.check import provider


def model(attributes="pads = [1, 1, 1, 1]", size="7, 10", channels=(128, 144), weight="3, 3", bias=True, rows="N"):
    into, out = channels
    rng = np.random.default_rng(0)
    made = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]>'
        f"m (float[{rows}, {into}, {size}] x) => (float[{rows}, {out}, P, Q] y)"
        f"<float[{out}, {into}, {weight}] w, float[{out}] b> {{ y = Conv<{attributes}>(x, w{', b' if bias else ''}) }}"
    )
    del made.graph.initializer[:]
    shapes = {"w": [out, into, *map(int, weight.split(","))], "b": [out]}
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(rng.standard_normal(shape, np.float32), name) for name, shape in shapes.items()
    )
    return made


@pytest.fixture(autouse=True)
def on_a_machine_that_was_measured(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: MACHINES[0])


def respelled(source):
    graph = load_graph(source)
    return by_winograd(graph, "cpu"), graph.to_model()


@pytest.mark.parametrize("size", ["7, 10", "8, 8", "1, 5", "2, 3"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", ["N", "3"])
def test_the_same_values(size, bias, rows):
    plain = model(size=size, bias=bias, rows=rows)
    count, made = respelled(plain)
    x = np.random.default_rng(1).standard_normal((3, 128, *map(int, size.split(","))), np.float32)
    found, expected = (provider(m, {"x": x})["y"] for m in (made, plain))
    assert count == 1 and "Split" in [node.op_type for node in made.graph.node]
    assert np.linalg.norm(found - expected) < 2e-6 * np.linalg.norm(expected)


def test_the_backward_part_too():
    """Its weights are computed from the forward one's."""
    plain = onnxpath.gradient_graph(model(), provider="cpu")
    count, made = respelled(plain)
    rng = np.random.default_rng(1)
    x, dy = (rng.standard_normal((2, channels, 7, 10), np.float32) for channels in (128, 144))
    found, expected = (provider(m, {"x": x, "grad_y": dy})["grad_x"] for m in (made, plain))
    assert count == 2
    assert np.linalg.norm(found - expected) < 2e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    "other",
    [
        {"attributes": "pads = [0, 1, 1, 1]"},
        {"attributes": "strides = [2, 2], pads = [1, 1, 1, 1]"},
        {"attributes": "dilations = [2, 2], pads = [1, 1, 1, 1]"},
        {"weight": "1, 3"},
        {"channels": (64, 128)},
        {"channels": (130, 144)},
        {"size": "H, 10"},
    ],
    ids=str,
)
def test_others_stay_as_they_are(other):
    assert respelled(model(**other))[0] == 0


def test_weights_that_are_fed_stay_as_they_are():
    fed = model()
    fed.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [144, 128, 3, 3]))
    assert respelled(fed)[0] == 0


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "cuda"), ("aarch64", "cpu")])
def test_only_where_it_was_measured(monkeypatch, machine, name):
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert by_winograd(load_graph(model()), name) == 0


def test_what_attribute_runs_has_it_and_what_is_exported_has_not():
    from onnxpath.pathway.programs import Setup
    from onnxpath.runtime.targets import resolve_target

    loaded = onnxpath.load(model(size="4, 4"), providers="cpu")
    setup = Setup.of(loaded, resolve_target(loaded, None, 1), layers=())
    ran = setup.ready(setup.gradient_graph())
    assert "Split" in [node.op_type for node in ran.model.graph.node]
    assert "Split" not in [node.op_type for node in setup.gradient_graph().to_model().graph.node]
    x = np.random.default_rng(0).standard_normal((2, 128, 4, 4)).astype(np.float32)
    plain = onnxpath.gradient_graph(loaded, provider="cpu")
    cotangent = np.zeros((2, 144 * 16), np.float32)
    cotangent[:, 7] = 1
    expected = provider(plain, {"x": x, "grad_y": cotangent.reshape(2, 144, 4, 4)})["grad_x"]
    found = onnxpath.attribute(loaded, x, 7, method="gradient").values
    assert np.linalg.norm(found - expected) < 2e-6 * np.linalg.norm(expected)
