"""The cut as a program gives what the cut on the host gives; here it runs on the CPU, on CUDA where there is one."""

import numpy as np
import onnx_graphsurgeon as gs
import pytest

import onnxpath
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph
from onnxpath.lowering.largest import threshold
from onnxpath.pathway.channels import channel_sums
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.select import select
from onnxpath.pathway.select_on_device import cut_program, select_on_device
from onnxpath.runtime.session import Session, on_host
from onnxpath.runtime.targets import resolve_target

MODEL = "sample_models/digits_cnn.onnx"


@pytest.fixture(scope="module")
def setup():
    model = onnxpath.load(MODEL)
    return Setup.of(model, resolve_target(model, None, 3))


def drawn(setup, ties=False):
    rng = np.random.default_rng(0)
    values = {n.name: rng.standard_normal((3, *n.shape)).astype(np.float32) for n in setup.layers}
    return {name: np.round(v) if ties else v for name, v in values.items()}


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_equal_to_the_cut_on_the_host(setup, scope, sparsity, ties):
    scores = drawn(setup, ties)
    program = cut_program(setup, scope)
    on_device = {k: program.to_device(v) for k, v in scores.items()}
    cut = select_on_device(setup, on_device, sparsity, scope, ranked=True)
    sizes = {k: np.abs(v) for k, v in scores.items()}
    expected = select(sizes, sparsity, scope)
    for layer in setup.layers:
        name, mask = layer.name, expected[layer.name]
        np.testing.assert_array_equal(cut.masks[name], mask)
        np.testing.assert_array_equal(on_host(cut.fed["mask_" + name]), mask.astype(np.float32))
        np.testing.assert_allclose(cut.sums[name], channel_sums(layer, sizes[name], mask), rtol=1e-5)
    flat = np.concatenate([np.abs(v).reshape(3, -1) for v in scores.values()], 1)
    np.testing.assert_array_equal(cut.largest, flat.max(1))
    assert select_on_device(setup, on_device, sparsity, scope).sums == {}


@pytest.mark.parametrize("keep", [0, 5, 3_000, 150_000, 199_000, 200_000])
@pytest.mark.parametrize("zeros", [0.0, 0.8])
@pytest.mark.parametrize("spelling", [threshold, threshold.default], ids=["sampled", "default"])
def test_the_threshold_of_many_scores(spelling, zeros, keep):
    rng = np.random.default_rng(0)
    scores = rng.lognormal(size=(3, 200_000)).astype(np.float32)
    scores[rng.random(scores.shape) < zeros] = 0
    # Sorted, a row's sample is no likeness of the scores around its places.
    scores[1].sort()
    graph = Graph(gs.Graph(opset=21))
    op = Emitter(graph, "cpu")
    op.add_output(
        spelling(op, op.add_input("scores", np.float32, ["N", "M"]), op.add_input("keep", np.int64, [1])), "t"
    )
    graph.cleanup()
    (found,) = Session(graph.to_model()).run({"scores": scores, "keep": np.array([keep])}).values()
    wanted = -np.sort(-scores, 1)[:, keep] if keep < 200_000 else np.full(3, -1)
    np.testing.assert_array_equal(found[:, 0], wanted)


def test_a_pathway_whose_scores_stay_on_the_device(monkeypatch):
    x = np.random.default_rng(1).random((4, 1, 16, 16)).astype(np.float32)
    host = onnxpath.attribute(MODEL, x, activity=True)
    monkeypatch.setattr(Session, "keep", lambda self, feeds: dict(self.run_on_device(feeds)))
    device = onnxpath.attribute(MODEL, x, activity=True)
    np.testing.assert_array_equal(host.values, device.values)
    for a, b in zip(host.pathways, device.pathways, strict=True):
        assert a.jaccard(b) == 1.0
        assert [layer.channels for layer in a.layers] == [layer.channels for layer in b.layers]
        np.testing.assert_allclose(*([s for layer in p.layers for s in layer.shares] for p in (a, b)), atol=2e-4)


def test_nan_is_found_on_the_device(monkeypatch):
    monkeypatch.setattr(Session, "keep", lambda self, feeds: dict(self.run_on_device(feeds)))
    x = np.full((1, 1, 16, 16), 3e38, np.float32)
    with pytest.raises(onnxpath.InputError, match="layer '"):
        onnxpath.critical_pathway(MODEL, x)
