"""What a training is given: examples, crops and flips, settings; and what is refused."""

import numpy as np
import pytest

from onnxpath.errors import InputError, ModelError, OnnxPathError, UnsupportedOperator
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.training.data import Augmentation, Examples, divided
from onnxpath.evaluation.training.optimiser import Adam, Sgd
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.graph.canonize import load_graph
from onnxpath.runtime.model import Model, load
from tests.evaluation.training import LAYOUT, small
from tests.models import parse


def test_division_takes_a_share_of_every_class():
    examples = Examples(np.arange(80, dtype=np.float32)[:, None], np.repeat([0, 1, 2], [8, 24, 48]))
    rest, away = divided(examples, 1 / 8, 0)
    assert np.bincount(away.labels).tolist() == [1, 3, 6]
    assert sorted([*rest.x[:, 0], *away.x[:, 0]]) == list(range(80))


@pytest.mark.parametrize("channels", ["first", "last"])
def test_crops_and_flips_against_a_plain_version(channels):
    layout = Layout.of((2, 5, 6) if channels == "first" else (5, 6, 2), channels)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, *layout.shape)).astype(np.float32)
    edge = np.float32([-9, -8])
    made = Augmentation(2, True).apply(x, layout, edge, np.random.default_rng(4))
    draws = np.random.default_rng(4)
    down, across, coin = draws.integers(0, 5, 7), draws.integers(0, 5, 7), draws.integers(0, 2, 7)
    assert set(coin) == {0, 1}
    for row in range(7):
        for channel in range(2):
            for i in range(5):
                for j in range(6):
                    source = 5 - j if coin[row] else j
                    y, column = i + down[row] - 2, source + across[row] - 2
                    inside = 0 <= y < 5 and 0 <= column < 6
                    place = (channel, y, column) if channels == "first" else (y, column, channel)
                    expected = x[(row, *place)] if inside else edge[channel]
                    assert made[(row, channel, i, j) if channels == "first" else (row, i, j, channel)] == expected


def test_rates_fall_in_steps():
    recipe = Recipe(Adam(1e-3))
    assert [recipe.rate(e) for e in (0, 9, 10, 29)] == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4])
    assert Recipe(Adam(1e-3), decay_every=0).rate(49) == 1e-3


WRONG = {
    "epochs must be at least 1": lambda: Recipe(epochs=0),
    "validation must be at least 0 and below 1": lambda: Recipe(validation=1.0),
    "rate must be above 0": lambda: Sgd(0.0),
    "beta1 must be at least 0 and below 1": lambda: Adam(beta1=1.0),
    "one class each": lambda: Examples(np.zeros((3, 2), "f"), np.zeros(2, int)),
    "classes count from 0": lambda: Examples(np.zeros((2, 2), "f"), np.array([0, -1])),
    "crop and flip need rows with height": lambda: Augmentation(1).check(Layout.of((4,))),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_settings_are_refused(text):
    with pytest.raises(InputError, match=text):
        WRONG[text]()


def test_models_that_cannot_be_trained_are_refused():
    bare = parse("m (float[n, 3] x) => (float[n, 3] y) { y = Relu(x) }")
    with pytest.raises(ModelError, match=r"no node .* has weights to train"):
        Trainer(load(bare, providers="cpu"), Recipe())
    fixed = parse("m (float[4, 3] x) => (float[4, 3] y) { y = MatMul(x, w) }", w=np.eye(3, dtype="f"))
    with pytest.raises(InputError, match="symbolic batch"):
        Trainer(Model(load_graph(fixed), "cpu"), Recipe())
    half = parse("m (float16[n, 3] x) => (float16[n, 3] y) { y = MatMul(x, w) }", w=np.eye(3, dtype=np.float16))
    with pytest.raises(UnsupportedOperator, match="not float32"):
        Trainer(load(half, providers="cpu"), Recipe())


def test_examples_that_do_not_fit_are_refused():
    trainer = Trainer(load(small(False)[0], providers="cpu"), Recipe())
    with pytest.raises(InputError, match="the model has 3 classes, and class 3 is among the labels"):
        trainer.check(Examples(np.zeros((2, 2, 8, 8), "f"), np.array([0, 3])), LAYOUT)
    x = np.zeros((2, 2, 8, 8), "f")
    x[1, 0, 3, 3] = np.nan
    with pytest.raises(OnnxPathError, match="NaN or Inf"):
        trainer.check(Examples(x, np.array([0, 1])), LAYOUT)
    with pytest.raises(OnnxPathError, match="wants"):
        trainer.check(Examples(np.zeros((2, 2, 9, 8), "f"), np.array([0, 1])), LAYOUT)
