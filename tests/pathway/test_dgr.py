"""Distillation guided routing: loss, gates and the choice of a step against torch; what a path of gates is."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName
from onnxpath.pathway.gates import Descent, optimise
from onnxpath.pathway.programs import Setup
from onnxpath.pathway.selectors.dgr import block_outputs
from onnxpath.runtime.targets import resolve_target
from tests.models import SAMPLES, mlp, parse, relative, run, sample, sample_images

RNG = np.random.default_rng(12)


def start_of(setup, x, per, fill=lambda shape: np.ones(shape, np.float32)):
    """Gates to begin with, and the logits."""
    values = setup.activations().run({"image": x})
    shapes = {layer.name: values[f"activation_{layer.name}"].shape for layer in setup.layers}
    if per == "channel":
        axes = {layer.name: (0, layer.channel_axis) for layer in setup.layers}
        shapes = {name: tuple(d if i in axes[name] else 1 for i, d in enumerate(s)) for name, s in shapes.items()}
    return {name: fill(shape) for name, shape in shapes.items()}, values["logits_of_program"]


def descend(name, x, per, descent, fill=lambda shape: np.ones(shape, np.float32)):
    model = onnxpath.load(sample(name), providers="cpu")
    setup = Setup.of(model, resolve_target(model, None, len(x)))
    start, logits = start_of(setup, x, per, fill)
    return optimise(setup, {"image": x}, logits, setup.layers, per, start, descent, "test"), start


def in_torch(name, x, start, descent):
    """The same by torch.optim.SGD on one image after the other, and the plain rule for the best step."""
    import torch

    from tests.pathway.torch_oracle import forward

    best, losses = [], []
    for row in range(len(x)):
        gates = [torch.tensor(g[row : row + 1], requires_grad=True) for g in start.values()]
        optimizer = torch.optim.SGD(gates, lr=descent.lr, momentum=descent.momentum)
        teacher = torch.softmax(forward(name, x[row : row + 1])[0], 1).detach()
        chosen, lowest = None, np.inf
        for _ in range(descent.n_steps):
            logits = forward(name, x[row : row + 1], lambda call, a, gates=gates: a * gates[call])[0]
            cross = torch.nn.functional.cross_entropy(logits, teacher)
            loss = cross + descent.penalty * sum(g.abs().sum() for g in gates)
            if logits.argmax() == teacher.argmax() and loss.item() < lowest:
                chosen, lowest = [g.detach().numpy().copy() for g in gates], loss.item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for gate in gates:
                    gate.clamp_(0, descent.upper)
        best.append(chosen)
        losses.append(lowest)
    return [np.concatenate(rows) for rows in zip(*best, strict=True)], losses


@pytest.mark.needs("torch")
@pytest.mark.parametrize("per", ["channel", "neuron"])
@pytest.mark.parametrize("name", SAMPLES)
def test_gates_are_those_of_torch(name, per):
    x = sample_images()[:3]
    for n_steps, rate in ((1, 0.01), (8, 0.01), (4, 0.1)):
        descent = Descent(n_steps, rate, 0.9, 0.05, 1.05)
        found, start = descend(name, x, per, descent)
        expected, losses = in_torch(name, x, start, descent)
        np.testing.assert_allclose(found.loss, losses, rtol=1e-4)
        for gate, other in zip(found.values.values(), expected, strict=True):
            assert relative(gate, other) <= 1e-4


@pytest.mark.needs("torch")
def test_the_bound_below_is_reached():
    x = sample_images()[:3]
    descent = Descent(10, 1.0, 0.9, 0.05, 5.0)
    found, start = descend("digits_cnn", x, "channel", descent)
    expected, losses = in_torch("digits_cnn", x, start, descent)
    np.testing.assert_allclose(found.loss, losses, rtol=1e-4)
    for gate, other in zip(found.values.values(), expected, strict=True):
        assert relative(gate, other) <= 1e-4
        assert np.any(gate == 0) and np.all(gate >= 0)


@pytest.mark.needs("torch")
def test_the_bound_above_is_reached():
    x = sample_images()[:2]
    descent = Descent(6, 5.0, 0.9, 0.0, 1.2)
    found, start = descend("digits_cnn", x, "channel", descent)
    _, losses = in_torch("digits_cnn", x, start, descent)
    np.testing.assert_allclose(found.loss, losses, rtol=1e-3, atol=1e-7)
    assert all(gate.max() <= np.float32(1.2) for gate in found.values.values())


@pytest.mark.needs("torch")
def test_random_gates_and_a_step_that_loses_the_class():
    """Random starts lose classes, so the best step is not the last one and differs from row to row."""
    x = sample_images()[:6]
    descent = Descent(12, 0.1, 0.9, 0.05, 5.0)
    rng = np.random.default_rng(3)
    found, start = descend("digits_cnn", x, "neuron", descent, lambda shape: rng.random(shape, np.float32))
    _, losses = in_torch("digits_cnn", x, start, descent)
    kept = np.isfinite(losses)
    assert kept.sum() > 0
    np.testing.assert_array_equal(found.found, kept)
    np.testing.assert_allclose(found.loss[kept], np.array(losses)[kept], rtol=1e-3)


def test_a_batch_is_its_rows():
    x = sample_images()[:5]
    model = onnxpath.load(sample("digits_resnet"), providers="cpu")
    for selector, options in (("dgr", {}), ("dgr-neuron", {"n_steps": 15, "init": "random", "tries": 3})):
        together = onnxpath.critical_pathway(model, x, selector=selector, **options)
        if selector == "dgr":
            alone = [onnxpath.critical_pathway(model, x[i : i + 1], selector=selector)[0] for i in range(5)]
        else:
            split = onnxpath.load(sample("digits_resnet"), providers="cpu", memory=1)
            alone = onnxpath.critical_pathway(split, x, selector=selector, **options)
        for one, other in zip(together, alone, strict=True):
            assert one.jaccard(other) >= 0.99


def test_every_row_has_a_penalty_and_an_end_of_its_own():
    """Small gates lose every class but that of the biases; a tenth of the penalty, row by row, finds others again."""
    x = sample_images()

    def small(shape):
        return np.full(shape, 0.4, np.float32)

    once, _ = descend("digits_cnn", x, "neuron", Descent(10, 0.01, 0.9, 0.02, 5.0), small)
    several, _ = descend("digits_cnn", x, "neuron", Descent(10, 0.01, 0.9, 0.02, 5.0, tries=8), small)
    assert 0 < once.found.sum() < several.found.sum(), "the test wants rows of both kinds"
    assert np.all(once.found <= several.found)
    assert len(set(np.round(several.penalty, 9))) > 2
    for gate, other in zip(once.values.values(), several.values.values(), strict=True):
        # What was found at once is not touched by what the other rows go on with.
        np.testing.assert_array_equal(gate[once.found], other[once.found])


def test_at_no_penalty_nothing_is_pruned():
    """The whole network is its own teacher: the loss is least at gates of one."""
    for pathway in onnxpath.critical_pathway(sample("digits_cnn"), sample_images()[:3], selector="dgr", penalty=0):
        assert pathway.density == 1


def test_the_path_of_channels():
    x = sample_images()[:4]
    model = onnxpath.load(sample("digits_cnn"), providers="cpu")
    axes = {layer.name: layer.channel_axis for layer in model.layers()}
    for pathway in onnxpath.critical_pathway(model, x, selector="dgr"):
        for name, mask in pathway.masks.items():
            by_channel = np.moveaxis(mask, axes[name] - 1, 0).reshape(mask.shape[axes[name] - 1], -1)
            assert np.all(by_channel == by_channel[:, :1])
        assert 0 < pathway.density < 1 and pathway.kept_prediction and pathway.sparsity is None


def test_blocks_are_the_activations_behind_additions():
    model = onnxpath.load(sample("digits_resnet"), providers="cpu")
    setup = Setup.of(model, resolve_target(model, None, 1))
    blocks = [layer.name for layer in block_outputs(setup)]
    assert 0 < len(blocks) < len(setup.layers)
    for pathway in onnxpath.critical_pathway(model, sample_images()[:2], selector="dgr", at="blocks"):
        for layer in pathway.layers:
            assert layer.name in blocks or layer.kept == layer.neurons
        assert any(layer.kept < layer.neurons for layer in pathway.layers)
    with pytest.raises(ModelError, match="use at='neuron-layers'"):
        onnxpath.critical_pathway(sample("digits_cnn"), sample_images()[:1], selector="dgr", at="blocks")


def test_a_bias_is_no_branch():
    w = RNG.normal(size=(6, 6)).astype(np.float32)
    nodes = (
        "p = MatMul(x, W); q = Add(p, b); a = Relu(q); r = MatMul(a, W); s = Add(r, a); c = Relu(s); y = MatMul(c, W)"
    )
    model = onnxpath.load(parse(f"m (float[n, 6] x) => (float[n, 6] y) {{ {nodes} }}", W=w, b=w[0]))
    setup = Setup.of(model, resolve_target(model, None, 1))
    assert [layer.name for layer in block_outputs(setup)] == ["c"]


def test_gates_of_dead_neurons_are_identical():
    """METHODS: nothing but the penalty moves them."""
    x = sample_images()[:3]
    found, _ = descend("digits_cnn", x, "neuron", Descent(20, 0.01, 0.9, 0.01, 5.0))
    layers = [layer.name for layer in onnxpath.load(sample("digits_cnn")).layers()]
    first = run(onnxpath.expose(sample("digits_cnn"), layers), {"image": x}, outputs=layers)[layers[0]]
    for row in range(3):
        dead = found.values[layers[0]][row][first[row] <= 0]
        alive = found.values[layers[0]][row][first[row] > 0]
        assert len(np.unique(dead)) == 1 and len(np.unique(alive)) > 10


def test_it_is_deterministic_and_a_seed_changes_random_gates():
    x = sample_images()[:2]
    options = {"selector": "dgr-neuron", "n_steps": 10, "init": "random", "tries": 2}
    one, again = (onnxpath.critical_pathway(sample("digits_cnn"), x, **options) for _ in range(2))
    other = onnxpath.critical_pathway(sample("digits_cnn"), x, seed=1, **options)
    assert all(p.jaccard(q) == 1 for p, q in zip(one, again, strict=True))
    assert all(p.jaccard(q) < 0.5 for p, q in zip(one, other, strict=True))


def test_what_cannot_be_asked():
    x = np.ones((2, 6), np.float32)
    with pytest.raises(InputError, match="softmax over classes, and a row of 'y' is one number"):
        onnxpath.critical_pathway(mlp(widths=(6, 5, 1)), x, selector="dgr")
    text = "m (float[n, 2, 3] x) => (float[n, 2, 3] y) { a = Relu(x); y = Mul(a, a) }"
    with pytest.raises(InputError, match="a row of 'y' is 2×3; choose another selector"):
        onnxpath.critical_pathway(parse(text), np.ones((2, 2, 3)), selector="dgr")
    with pytest.raises(UnknownName, match=r"no place of gates named 'block'; did you mean 'blocks'\?"):
        onnxpath.critical_pathway(mlp(), x, selector="dgr", at="block")
    with pytest.raises(InputError, match="n_steps must be at least 1, lr must be above 0, penalty must not be below 0"):
        onnxpath.critical_pathway(mlp(), x, selector="dgr", n_steps=0, lr=-1, penalty=-1)
    with pytest.raises(UnknownName, match=r"no init named 'zeros'(.|\n)*known: ones, random"):
        onnxpath.critical_pathway(mlp(), x, selector="dgr-neuron", init="zeros")
