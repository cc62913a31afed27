"""Which weights are trained, and what they begin with."""

import numpy as np
import pytest
from onnx import helper

from onnxpath.evaluation.training.optimiser import Adam, Sgd
from onnxpath.evaluation.training.program import WEIGHT
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.runtime.model import load
from onnxpath.runtime.session import on_host
from tests.evaluation.training import small
from tests.models import parse


def test_normalizations_that_share_a_tensor_are_trained_apart():
    model, _ = small(True, shared=True)
    trainer = Trainer(load(model, providers="cpu"), Recipe(Sgd(0.05)))
    first, second = trainer.parameters.normalizations
    assert {first.mean, first.variance}.isdisjoint({second.mean, second.variance})
    assert sum(p.centre == 1 for p in trainer.parameters.trained) == 2


def test_weights_begin_by_their_fan_in():
    model, _ = small(True)
    parameters = Trainer(load(model, providers="cpu"), Recipe()).parameters
    bounds = {p.name: p.bound for p in parameters.trained}
    assert bounds == pytest.approx(
        {
            "c1_weight": 18**-0.5,
            "c1_bias": 18**-0.5,
            "c2_weight": 36**-0.5,
            "c2_bias": 36**-0.5,
            "fc_weight": 16**-0.5,
            "fc_bias": 16**-0.5,
        }
        | {f"b{i}_{kind}": 0 for i in (1, 2) for kind in ("weight", "bias")}
    )
    begun = parameters.begin(0)
    assert np.array_equal(begun["b1_weight"], np.ones(4)) and not begun["b1_bias"].any()
    assert np.array_equal(begun["b2_running_var"], np.ones(4)) and not begun["b2_running_mean"].any()


def test_draws_are_uniform_within_the_bound_and_named_by_seed():
    model = parse(
        "m (float[n, 400] x) => (float[n, 100] y) { y = Gemm(x, w, b) }",
        w=np.ones((400, 100), "f"),
        b=np.ones(100, "f"),
    )
    parameters = Trainer(load(model, providers="cpu"), Recipe()).parameters
    w = parameters.begin(5)["w"]
    assert np.abs(w).max() <= 0.05 and np.abs(w).max() > 0.0499
    assert w.mean() == pytest.approx(0, abs=1e-3)
    assert w.std() == pytest.approx(0.05 / 3**0.5, rel=0.02)
    assert np.array_equal(w, parameters.begin(5)["w"]) and not np.array_equal(w, parameters.begin(6)["w"])


def test_a_bias_that_is_added_is_trained_and_preprocessing_is_not():
    model = parse(
        "m (float[n, 3] x) => (float[n, 2] y) { c = Sub(x, mean); z = MatMul(c, w); y = Add(b, z) }",
        mean=np.ones(3, "f"),
        w=np.ones((3, 2), "f"),
        b=np.ones(2, "f"),
    )
    parameters = Trainer(load(model, providers="cpu"), Recipe()).parameters
    assert {p.name: p.bound for p in parameters.trained} == pytest.approx({"w": 3**-0.5, "b": 3**-0.5})
    assert parameters.kept == ("mean",)


def test_weights_that_are_arranged_first_are_trained():
    # Constant folding leaves large weights alone, and what a file lists as inputs too.
    model = parse(
        "m (float[n, 300] x) => (float[n, 3] y) "
        "{ w = Transpose<perm = [1, 0]>(w0); z = MatMul(x, w); r = Relu(z); v = Reshape(v0, s); y = MatMul(r, v) }",
        w0=np.ones((300, 300), "f"),
        v0=np.ones((3, 20, 15), "f"),
        s=np.array([300, 3]),
    )
    value = next(i for i in model.graph.initializer if i.name == "v0")
    model.graph.input.append(helper.make_tensor_value_info("v0", 1, list(value.dims)))
    trainer = Trainer(load(model, providers="cpu"), Recipe(Sgd(0.1)))
    assert {p.name: p.shape for p in trainer.parameters.trained} == {"w0": (300, 300), "v0": (3, 20, 15)}
    assert [p.bound for p in trainer.parameters.trained] == pytest.approx([300**-0.5] * 2)
    assert trainer.parameters.kept == ()
    state = trainer.begin(trainer.parameters.begin(0))
    x, labels = np.random.default_rng(0).normal(size=(8, 300)).astype(np.float32), np.arange(8) % 3
    stepped, before, _ = trainer.step(state, x, labels, 1, 0.1)
    assert all(not np.array_equal(on_host(stepped[WEIGHT + n]), on_host(state[WEIGHT + n])) for n in ("w0", "v0"))
    assert trainer.step(stepped, x, labels, 2, 0.1)[1] < before


def test_recurrent_weights_begin_by_the_hidden_size_and_are_trained():
    rng = np.random.default_rng(0)
    model = parse(
        "m (float[n, 5, 3] x) => (float[n, 4] y) { t = Transpose<perm = [1, 0, 2]>(x); "
        "a, h = GRU<hidden_size = 6>(t, W, R, B); s = Squeeze(h, axes); y = Gemm(s, V) }",
        W=np.ones((1, 18, 3), "f"),
        R=np.ones((1, 18, 6), "f"),
        B=np.ones((1, 36), "f"),
        V=np.ones((6, 4), "f"),
        axes=np.array([0]),
    )
    trainer = Trainer(load(model, providers="cpu"), Recipe(Adam(1e-2)))
    assert {p.name: p.bound for p in trainer.parameters.trained} == pytest.approx(dict.fromkeys("WRBV", 6**-0.5))
    x, labels = rng.normal(size=(8, 5, 3)).astype(np.float32), rng.integers(0, 4, 8)
    state, losses = trainer.begin(trainer.parameters.begin(0)), []
    for count in range(1, 11):
        state, loss, _ = trainer.step(state, x, labels, count, 1e-2)
        losses.append(loss)
    assert losses[-1] < losses[0]
