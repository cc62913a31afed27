"""Training inside ONNX Runtime: step by step against torch, what it begins with, and that it can be interrupted."""

import numpy as np
import pytest
from onnx import helper

from onnxpath.errors import InputError, ModelError, OnnxPathError, UnsupportedOperator
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.training import train as training
from onnxpath.evaluation.training.data import Augmentation, Examples, divided
from onnxpath.evaluation.training.optimiser import Adam, Sgd
from onnxpath.evaluation.training.program import WEIGHT
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.graph.canonize import load_graph
from onnxpath.progress import listening
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import on_host
from tests.models import parse, run, sample

ROWS, STEPS, TOLERANCE = 16, 20, 1e-4


def small(normalized, shared=False):
    """A network [n, 2, 8, 8] -> [n, 3] and its weights; c1_weight is torch's c1.weight."""
    rng = np.random.default_rng(0)
    shapes = {"c1_weight": (4, 2, 3, 3), "c1_bias": 4, "c2_weight": (4, 4, 3, 3), "c2_bias": 4}
    shapes |= {"fc_weight": (3, 16), "fc_bias": 3}
    arrays = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    if normalized:
        for i in (1,) if shared else (1, 2):
            arrays |= {f"b{i}_weight": np.ones(4, "f"), f"b{i}_bias": np.zeros(4, "f")}
            arrays |= {f"b{i}_running_mean": np.zeros(4, "f"), f"b{i}_running_var": np.ones(4, "f")}

    def block(i, attributes, source):
        b = 1 if shared else i
        tensors = f"b{b}_weight, b{b}_bias, b{b}_running_mean, b{b}_running_var"
        norm = f"n{i} = BatchNormalization<momentum = 0.9>(z{i}, {tensors}); " if normalized else ""
        conv = f"z{i} = Conv<pads = [1, 1, 1, 1]{attributes}>({source}, c{i}_weight, c{i}_bias); "
        return conv + norm + f"r{i} = Relu({'n' if normalized else 'z'}{i}); "

    text = block(1, "", "x") + "p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r1); "
    text += block(2, ", strides = [2, 2]", "p") + "f = Flatten(r2); y = Gemm<transB = 1>(f, fc_weight, fc_bias)"
    return parse(f"m (float[n, 2, 8, 8] x) => (float[n, 3] y) {{ {text} }}", **arrays), arrays


def torch_small(torch, normalized, arrays):
    nn = torch.nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1, self.c2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)
            self.b1, self.b2 = (nn.BatchNorm2d(4) if normalized else nn.Identity() for _ in range(2))
            self.fc = nn.Linear(16, 3)

        def forward(self, x):
            x = nn.functional.max_pool2d(self.b1(self.c1(x)).relu(), 2)
            return self.fc(self.b2(self.c2(x)).relu().flatten(1))

    net = Small()
    state = {name.replace("_", ".", 1): torch.from_numpy(array.copy()) for name, array in arrays.items()}
    net.load_state_dict(state | {k: v for k, v in net.state_dict().items() if k.endswith("tracked")})
    return net


def batch(rng):
    return rng.normal(0.2, 1, (ROWS, 2, 8, 8)).astype(np.float32), rng.integers(0, 3, ROWS)


OPTIMISERS = {
    "sgd": (Sgd(0.05, 0.9, 1e-2), lambda torch, p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-2)),
    "sgd-plain": (Sgd(0.05, 0.0), lambda torch, p: torch.optim.SGD(p, 0.05)),
    "adam": (Adam(2e-3, weight_decay=1e-2), lambda torch, p: torch.optim.Adam(p, 2e-3, weight_decay=1e-2)),
}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("normalized", [False, True], ids=["plain", "batchnorm"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_twenty_steps_agree_with_torch(name, normalized):
    import torch

    ours, theirs = OPTIMISERS[name]
    model, arrays = small(normalized)
    trainer = Trainer(load(model, providers="cpu"), Recipe(ours))
    net = torch_small(torch, normalized, arrays)
    optimiser = theirs(torch, net.parameters())
    # Their rate falls to a half after ten steps, as a recipe's does after so many epochs.
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 10, 0.5)
    state, rng = trainer.begin(arrays), np.random.default_rng(1)
    for count in range(1, STEPS + 1):
        x, labels = batch(rng)
        net.train()
        logits = net(torch.from_numpy(x))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        state, ours_loss, hits = trainer.step(state, x, labels, count, trainer.recipe.rate(count - 1))
        schedule.step()
        assert ours_loss == pytest.approx(loss.item(), abs=TOLERANCE)
        assert hits == int((logits.argmax(1).numpy() == labels).sum())
        held = net.state_dict()
        for name_of, value in ((key, held[key.replace("_", ".", 1)].numpy()) for key in arrays):
            np.testing.assert_allclose(on_host(state[WEIGHT + name_of]), value, atol=TOLERANCE, err_msg=name_of)
    assert any(not np.allclose(on_host(state[WEIGHT + key]), first) for key, first in arrays.items())
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(trainer.logits(state, x), expected, atol=TOLERANCE)


def test_the_trained_model_is_the_network_that_was_trained():
    trainer = Trainer(load(small(True)[0], providers="cpu"), Recipe(Sgd(0.05)))
    state, (x, labels) = trainer.begin(trainer.parameters.begin(3)), batch(np.random.default_rng(0))
    state, _, _ = trainer.step(state, x, labels, 1, 0.05)
    weights = {k.removeprefix(WEIGHT): on_host(v) for k, v in state.items() if k.startswith(WEIGHT)}
    (logits,) = run(trainer.trained_model(weights).graph.to_model(), {"x": x}).values()
    np.testing.assert_allclose(logits, trainer.logits(state, x), atol=1e-5)


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


def stripes(rows, rng, classes=3):
    """Pictures [rows, 2, 8, 8] whose class is where a bright bar stands."""
    labels = rng.integers(0, classes, rows)
    x = rng.normal(0, 0.3, (rows, 2, 8, 8)).astype(np.float32)
    for row, label in enumerate(labels):
        x[row, :, :, 2 * label] += 2
    return Examples(x, labels)


LAYOUT = Layout.of((2, 8, 8))


@pytest.mark.parametrize("normalized", [False, True])
def test_it_learns(normalized):
    rng = np.random.default_rng(0)
    train, test = stripes(96, rng), stripes(60, rng)
    trainer = Trainer(load(small(normalized)[0], providers="cpu"), Recipe(Adam(1e-2), epochs=6, batch=16))
    found = trainer.fit(train, 0, LAYOUT)
    assert found.losses[-1] < found.losses[0] / 2 and found.epoch == 6
    assert trainer.accuracy(trainer.state_of(found.weights), test) > 0.9


def test_an_interrupted_training_gives_the_same_network(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN", 0)
    train = stripes(48, np.random.default_rng(0))
    recipe = Recipe(Adam(1e-2), epochs=4, batch=16, augmentation=Augmentation(1, True), validation=0.25)
    trainer = Trainer(load(small(True)[0], providers="cpu"), recipe)
    whole = trainer.fit(train, 7, LAYOUT)

    def interrupt(what, done, total):
        if done == 2:
            raise KeyboardInterrupt

    file = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        trainer.fit(train, 7, LAYOUT, file)
    assert file.is_file()
    steps = []
    take = trainer.step
    monkeypatch.setattr(trainer, "step", lambda *given: steps.append(given[3]) or take(*given))
    again = trainer.fit(train, 7, LAYOUT, file)
    # 36 rows in batches of 16, the last two of four epochs.
    assert steps == [7, 8, 9, 10, 11, 12]
    assert again.losses == whole.losses and again.validation == whole.validation and again.epoch == whole.epoch
    assert all(np.array_equal(again.weights[name], value) for name, value in whole.weights.items())
    assert not file.exists()


def test_the_best_epoch_is_kept():
    train = stripes(48, np.random.default_rng(0))
    trainer = Trainer(load(small(False)[0], providers="cpu"), Recipe(Sgd(0.3), epochs=5, batch=16, validation=0.25))
    found = trainer.fit(train, 1, LAYOUT)
    assert len(found.validation) == 5
    assert found.epoch == 1 + int(np.argmax(found.validation))
    _, held = divided(train, 0.25, 0)
    assert trainer.accuracy(trainer.state_of(found.weights), held) == max(found.validation)


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


def test_a_loss_that_explodes_is_said():
    train = stripes(32, np.random.default_rng(0))
    trainer = Trainer(load(small(False)[0], providers="cpu"), Recipe(Sgd(1e20), epochs=4, batch=16))
    with pytest.raises(InputError, match="lower learning rate"), np.errstate(all="ignore"):
        trainer.fit(train, 0, LAYOUT)


@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet", "digits_vit"])
def test_sample_models_take_a_step_downhill(name):
    trainer = Trainer(load(sample(name), providers="cpu"), Recipe(Sgd(0.01, 0.0)))
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, 1, 16, 16)).astype(np.float32), rng.integers(0, 10, 8)
    state = trainer.begin(trainer.parameters.begin(0))
    state, before, _ = trainer.step(state, x, labels, 1, 0.01)
    _, after, _ = trainer.step(state, x, labels, 2, 0.01)
    assert after < before


@pytest.mark.parametrize(
    ("name", "shape", "tensors"), [("mnist8_cntk", (1, 28, 28), 6), ("resnet20_cifar10_unfolded_bn", (3, 32, 32), 59)]
)
def test_real_models_are_trained_whole(data_dir, name, shape, tensors):
    trainer = Trainer(load(data_dir / "models" / f"{name}.onnx", providers="cpu"), Recipe(Sgd(0.01)))
    assert len(trainer.parameters.trained) == tensors and trainer.parameters.kept == ()
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, *shape)).astype(np.float32), rng.integers(0, 10, 8)
    state, before, _ = trainer.step(trainer.begin(trainer.parameters.begin(0)), x, labels, 1, 0.01)
    assert trainer.step(state, x, labels, 2, 0.01)[1] < before
