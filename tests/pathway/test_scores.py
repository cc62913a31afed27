"""Contributions of neurons: NeuronMCT and NeuronIntGrad against torch, and against switching neurons off."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.pathway.quadrature import METHODS, points
from onnxpath.pathway.selectors import SELECTORS
from onnxpath.pathway.selectors.neuron_intgrad import integrate
from onnxpath.runtime.targets import resolve_target
from tests.models import QUICK, SAMPLES, mlp, parse, relative, run, sample, sample_images

RNG = np.random.default_rng(9)
TARGETS = np.array([3, 0, 9])
QUADRATURES = ["midpoint", "gausslegendre"]


def load(model):
    return onnxpath.load(model, providers="cpu")


def scores(model, x, target, selector, **options):
    """Signed contributions by layer, in order."""
    model = load(model)
    feeds = model.feeds(x)
    goal = resolve_target(model, target, len(x))
    setup = Setup.of(model, goal)
    rows = slice(0, len(x))
    found = SELECTORS.get(selector)(setup, feeds, goal.feed(rows), rows, True, **options)
    assert list(found.signed) == [layer.name for layer in model.layers()]
    return found


# -------------------------------------------------------------------------------------------------------- NeuronMCT


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", SAMPLES)
def test_neuron_mct_is_activation_times_gradient(name):
    from tests.pathway.torch_oracle import contributions, forward

    x = sample_images()[:3]
    found = scores(sample(name), x, TARGETS, "neuron-mct")
    expected = contributions(name, x, TARGETS)
    assert len(found.signed) == len(expected)
    for (layer, score), value in zip(found.signed.items(), expected, strict=True):
        assert relative(score, value) <= 1e-4, layer
    assert relative(found.logits, forward(name, x)[0]) <= 1e-5


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet"])
def test_inactive_neurons(name):
    from tests.pathway.torch_oracle import forward

    x = sample_images()[:3]
    for selector in SELECTORS.names():
        found = scores(sample(name), x, TARGETS, selector, **QUICK.get(selector, {})).inactive
        for off, a in zip(found.values(), forward(name, x)[1], strict=True):
            assert np.mean(off != (a <= 0).numpy()) <= 1e-4
    assert scores(sample("digits_vit"), x, TARGETS, "neuron-mct").inactive == {}


@pytest.mark.parametrize("selector", ["neuron-mct", "neuron-intgrad"])
def test_before_a_linear_layer_a_contribution_is_the_change_when_switched_off(selector):
    model, x = mlp(widths=(6, 8, 3)), RNG.normal(size=(4, 6)).astype(np.float32)
    found = scores(model, x, 2, selector).signed["a0"]
    masked = onnxpath.insert_masks(model)
    whole = run(model, {"x": x})["y"][:, 2]
    for neuron in range(8):
        mask = np.ones((4, 8), np.float32)
        mask[:, neuron] = 0
        change = whole - run(masked, {"x": x, "mask_a0": mask})["y"][:, 2]
        np.testing.assert_allclose(found[:, neuron], change, atol=1e-6)


def test_in_a_deep_linear_network_too():
    """ReLUs that are all on: the first-order estimate is exact in every layer."""
    w = {f"W{i}": RNG.uniform(0.1, 1, shape).astype(np.float32) for i, shape in enumerate([(6, 5), (5, 4), (4, 3)])}
    nodes = "h = MatMul(x, W0); a = Relu(h); k = MatMul(a, W1); b = Relu(k); y = MatMul(b, W2)"
    model, x = parse(f"m (float[n, 6] x) => (float[n, 3] y) {{ {nodes} }}", **w), RNG.random((2, 6)).astype(np.float32)
    for selector in ("neuron-mct", "neuron-intgrad"):
        found = scores(model, x, [0, 2], selector).signed
        masked = onnxpath.insert_masks(model)
        for layer, score in found.items():
            for neuron in range(score.shape[1]):
                masks = {f"mask_{n}": np.ones_like(s) for n, s in found.items()}
                masks[f"mask_{layer}"][:, neuron] = 0
                change = run(model, {"x": x})["y"] - run(masked, {"x": x, **masks})["y"]
                np.testing.assert_allclose(score[:, neuron], change[[0, 1], [0, 2]], rtol=1e-4)


def test_a_layer_without_a_gradient_scores_zero():
    text = "m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); f = Floor(a); b = Tanh(x); y = Add(f, b); z = Relu(b) }"
    x = RNG.normal(size=(3, 6)).astype(np.float32)
    for selector in ("neuron-mct", "neuron-intgrad"):
        found = scores(parse(text), x, 1, selector).signed
        assert list(found) == ["a", "b"]
        np.testing.assert_array_equal(found["a"], 0 * x)
        assert np.count_nonzero(found["b"]) == 3


# ---------------------------------------------------------------------------------------------------- NeuronIntGrad


@pytest.mark.needs("torch")
@pytest.mark.parametrize("method", QUADRATURES)
@pytest.mark.parametrize("name", SAMPLES)
def test_neuron_intgrad_is_its_definition(name, method):
    from tests.pathway.torch_oracle import integrated_contributions

    x = sample_images()[:3]
    found = scores(sample(name), x, TARGETS, "neuron-intgrad", n_steps=4, quadrature=method).signed
    alphas, weights = points(method, 4)
    for index, (layer, score) in enumerate(found.items()):
        expected = integrated_contributions(name, x, TARGETS, index, alphas, weights)
        # Points on a ReLU's kink or a tie of a max-pool may fall to either side.
        assert relative(score, expected) <= (1e-2 if name != "digits_vit" else 1e-4), layer


@pytest.mark.parametrize("name", SAMPLES)
def test_scores_of_a_layer_sum_to_what_the_layer_does(name):
    model, x = load(sample(name)), sample_images()
    goal = resolve_target(model, None, len(x))
    setup = Setup.of(model, goal)
    logits = setup.forward().run({"image": x})[LOGITS]
    best = logits.argmax(1)
    whole = logits[np.arange(len(x)), best]
    errors = {}
    feed = goal.feed(slice(0, len(x)))
    for layer, score, at_zero in integrate(setup, {"image": x}, feed, 50, "midpoint", with_baseline=True):
        masked = onnxpath.insert_masks(sample(name), [layer.name])
        off = run(masked, {"image": x, f"mask_{layer.name}": np.zeros((len(x), *layer.shape), np.float32)})["logits"]
        assert relative(at_zero, off) <= 1e-4
        change = whole - off[np.arange(len(x)), best]
        errors[layer.name] = np.abs(score.reshape(len(x), -1).sum(1) - change) / np.maximum(
            np.abs(change), 0.05 * np.abs(whole)
        )
    pooled = np.concatenate(list(errors.values()))
    assert np.median(pooled) <= 0.01 and np.percentile(pooled, 95) <= 0.05, errors


def test_a_branch_that_decides_by_comparing_reacts_to_the_scaled_layer():
    """What lies downstream of a layer through bool tensors is downstream all the same."""
    w = {k: RNG.normal(size=s).astype(np.float32) for k, s in {"W": (6, 6), "V": (6, 5), "U": (5, 3)}.items()}
    w |= {"c": RNG.normal(size=5).astype(np.float32), "zero": np.float32(0), "slope": np.float32(0.1)}
    nodes = """h = MatMul(x, W); a = Relu(h); m = Gemm(a, V, c); on = Greater(m, zero); low = Mul(m, slope)
        s = Where(on, m, low); y = MatMul(s, U)"""
    model, x = (
        parse(f"m (float[n, 6] x) => (float[n, 3] y) {{ {nodes} }}", **w),
        RNG.normal(size=(4, 6)).astype(np.float32),
    )
    found = scores(model, x, 1, "neuron-intgrad", n_steps=400).signed["a"]
    a = np.maximum(x @ w["W"], 0)

    def logit(layer):
        m = layer @ w["V"] + w["c"]
        return (np.where(m > 0, m, 0.1 * m) @ w["U"])[:, 1]

    np.testing.assert_allclose(found.sum(1), logit(a) - logit(0 * a), rtol=2e-2, atol=2e-2)


def test_shapes_computed_from_the_layer_stay():
    """A Reshape to the layer's own run-time shape: the path integral starts behind it and still knows the sizes."""
    nodes = "h = MatMul(x, W); a = Relu(h); b = Sigmoid(x); s = Shape(a); r = Reshape(b, s); y = Mul(a, r)"
    w = RNG.normal(size=(6, 6)).astype(np.float32)
    model, x = (
        parse(f"m (float[n, 6] x) => (float[n, 6] y) {{ {nodes} }}", W=w),
        RNG.normal(size=(3, 6)).astype(np.float32),
    )
    found = scores(model, x, 2, "neuron-intgrad").signed
    expected = np.maximum(x @ w, 0) / (1 + np.exp(-x)) * np.eye(6)[2]
    assert relative(found["a"], expected) <= 1e-5
    assert relative(found["b"], expected) <= 1e-5


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("selector", ["neuron-mct", "neuron-intgrad", "activation-only"])
def test_a_batch_of_seven_is_seven_batches_of_one(name, selector):
    x, target = sample_images()[:7], np.arange(7)
    together = scores(sample(name), x, target, selector).signed
    single = [scores(sample(name), x[i : i + 1], target[i : i + 1], selector).signed for i in range(7)]
    for layer, score in together.items():
        assert relative(score, np.concatenate([s[layer] for s in single])) <= 1e-3, layer


def test_the_target_is_that_of_the_whole_network_at_every_point():
    """Asked for the largest entry, NeuronIntGrad must not change its mind where a scaled layer predicts another."""
    x = sample_images()
    best = run(sample("digits_cnn"), {"image": x})["logits"].argmax(1)
    asked = scores(sample("digits_cnn"), x, None, "neuron-intgrad").signed
    named = scores(sample("digits_cnn"), x, best, "neuron-intgrad").signed
    for layer in asked:
        np.testing.assert_array_equal(asked[layer], named[layer])


# ------------------------------------------------------------------------------------------------------- quadrature


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_points_lie_in_the_interval_and_weigh_one(method, n):
    if "trapezoid" in method and n == 1:
        with pytest.raises(InputError, match="a trapezoid has two ends, so n_steps must be at least 2; 1 was given"):
            points(method, n)
        return
    alphas, weights = points(method, n)
    assert alphas.shape == weights.shape == (n,)
    assert alphas.min() >= 0 and alphas.max() <= 1
    assert weights.sum() == pytest.approx((n - 1) / n if method == "riemann_trapezoid" else 1)


def test_orders_of_quadratures():
    for n in (2, 5):
        for method in ("midpoint", "trapezoid", "riemann_middle", "gausslegendre"):
            alphas, weights = points(method, n)
            assert weights @ alphas == pytest.approx(1 / 2)
        alphas, weights = points("gausslegendre", n)
        for power in range(2 * n):
            assert weights @ alphas**power == pytest.approx(1 / (power + 1))
    np.testing.assert_allclose(points("midpoint", 4)[0], [1 / 8, 3 / 8, 5 / 8, 7 / 8])
    assert weights_differ("riemann_left", "riemann_right")


def weights_differ(one, other):
    return not np.allclose(points(one, 4)[0], points(other, 4)[0])


def test_options_that_cannot_be():
    x = sample_images()[:1]
    with pytest.raises(UnknownName, match=r"no quadrature named 'simpson'(.|\n)*known: midpoint, trapezoid, gauss"):
        onnxpath.critical_pathway(sample("digits_cnn"), x, selector="neuron-intgrad", quadrature="simpson")
    with pytest.raises(InputError, match="n_steps must be at least 1; 0 was given"):
        onnxpath.critical_pathway(sample("digits_cnn"), x, selector="neuron-intgrad", n_steps=0)
    with pytest.raises(UnknownName, match=r"no selector named 'neuron-mtc'; did you mean 'neuron-mct'\?"):
        onnxpath.critical_pathway(sample("digits_cnn"), x, selector="neuron-mtc")
    with pytest.raises(UnknownName, match=r"no option of selector 'neuron-mct' named 'steps'"):
        onnxpath.critical_pathway(sample("digits_cnn"), x, steps=3)
