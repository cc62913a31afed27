"""Training inside ONNX Runtime: step by step against torch, and that it can be interrupted."""

import numpy as np
import pytest

from onnxpath.errors import InputError
from onnxpath.evaluation.training import train as training
from onnxpath.evaluation.training.data import Augmentation, divided
from onnxpath.evaluation.training.optimiser import Adam, Sgd
from onnxpath.evaluation.training.program import WEIGHT
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.progress import listening
from onnxpath.runtime.model import load
from onnxpath.runtime.session import on_host
from tests.evaluation.training import LAYOUT, small, stripes
from tests.models import run, sample

ROWS, STEPS, TOLERANCE = 16, 20, 1e-4


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
