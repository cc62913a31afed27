"""RAP against maps that the authors' released rules made in float64 (rap/README.md), and its conservation."""

from pathlib import Path

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.conservation import conservation
from onnxpath.attribution.methods.relevance import rap
from onnxpath.attribution.registry import spelled_program
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.runtime.targets import resolve_target
from tests.check import reference, to_double
from tests.models import parse, relative, sample, sample_images

FOLDER = Path(__file__).parent / "rap"
NETWORKS = ("mlp", "vgg", "strided", "bn", "residual")
every_network = pytest.mark.parametrize("name", NETWORKS)


def frozen(name):
    return np.load(FOLDER / f"{name}.npz")


def loaded(name):
    return onnxpath.load(FOLDER / f"{name}.onnx", providers="cpu")


@every_network
def test_released(name):
    data, model = frozen(name), loaded(name)
    x = data["x"].astype(np.float32)
    found = onnxpath.attribute(model, x, data["target"], "rap", released=True)
    assert relative(found.values, data["relevance"]) <= 1e-5
    assert np.allclose(found.delta, 0, atol=1e-4)


@every_network
def test_released_in_float64(name):
    data, model = frozen(name), loaded(name)
    goal = resolve_target(model, data["target"], len(data["x"]))
    setup = Setup.of(model, goal, layers=())
    program = to_double(spelled_program(rap, setup, options={"released": True}))
    values = reference(program, {"x": data["x"], **goal.feed(slice(None))})
    # The authors' code adds 1e-9 to what it divides by.
    assert relative(values[GRAD + "x"], data["relevance"]) <= 1e-6


@pytest.mark.parametrize("published", [False, True])
@every_network
def test_every_node_conserves(name, published):
    """What a node gets it passes on."""
    data = frozen(name)
    steps = conservation(loaded(name), data["x"].astype(np.float32), data["target"], published=published)
    assert np.allclose(steps[0].given, data["logits"][range(4), data["target"]], atol=1e-4)
    for step in steps:
        lost = np.abs(step.given - step.passed) / np.abs(step.given)
        assert (lost <= 1e-4).all(), step


@every_network
def test_sums_to_the_logit(name):
    data = frozen(name)
    found = onnxpath.attribute(loaded(name), data["x"].astype(np.float32), method="rap")
    assert (np.abs(found.delta) <= 1e-4 * np.abs(data["logits"].max(1))).all()
    assert not found.notes


def test_a_leak_is_noted():
    """The second unit has a bias and no input: what it gets goes nowhere, and the shift does not bring it back."""
    text = "m (float[n, 2] x) => (float[n, 1] y) { h = Gemm(x, W, b); a = Relu(h); y = MatMul(a, V) }"
    weights = {"W": np.float32([[1, 0], [2, 0]]), "b": np.float32([0, 3]), "V": np.float32([[1], [1]])}
    found = onnxpath.attribute(parse(text, **weights), np.float32([[1, 4], [5, 2]]), method="rap")
    assert np.allclose(found.delta, [-3, -3], atol=1e-5) and np.allclose(found.values.sum(1), 9, atol=1e-5)
    assert "lost relevance: up to 25.00% of a row's logit" in found.notes[0]


def test_variants_agree_where_the_paper_leaves_no_choice():
    """Inputs above zero, no Add, positive relevance alone: a Gemm behind the last one."""
    rng = np.random.default_rng(3)
    w, last = rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    model = parse(
        "m (float[n, 6] x) => (float[n, 3] y) { h = MatMul(x, W); a = Relu(h); y = Gemm(a, V, b) }",
        W=w,
        V=last,
        b=np.float32([2, 2, 2]),
    )
    x = rng.random((4, 6)).astype(np.float32)
    maps = [onnxpath.attribute(model, x, method="rap", released=flag).values for flag in (False, True)]
    assert np.allclose(*maps, rtol=1e-5)


def test_the_last_layer_by_hand():
    """R_j = y |x_j w_j| / sum |x w|, whatever the bias is."""
    w, b = np.float32([[1, -2], [3, 1], [-1, 0.5]]), np.float32([0.7, -4])
    model = parse("m (float[n, 3] x) => (float[n, 2] y) { y = Gemm(x, W, b) }", W=w, b=b)
    x = np.float32([[1, -1, 2], [0.5, 2, -3]])
    for target in (0, 1):
        z = x * w[:, target]
        y = z.sum(1) + b[target]
        expected = y[:, None] * np.abs(z) / np.abs(z).sum(1, keepdims=True)
        assert np.allclose(onnxpath.attribute(model, x, target, "rap").values, expected, atol=1e-5)


def test_a_hidden_layer_by_hand():
    """Contributions of either sign from inputs of either sign, and the shift, written out with matrices."""
    rng = np.random.default_rng(5)
    w, v = rng.normal(size=(5, 4)), rng.normal(size=(4, 2))
    model = parse(
        "m (float[n, 5] x) => (float[n, 2] y) { h = MatMul(x, W); a = Relu(h); y = MatMul(a, V) }",
        W=w.astype(np.float32),
        V=v.astype(np.float32),
    )
    x = rng.normal(size=(6, 5))
    x[:, 2] = 0
    for target in (0, 1):
        found = onnxpath.attribute(model, x.astype(np.float32), target, "rap")
        for row, values in zip(x, found.values, strict=True):
            assert np.allclose(values, by_matrices(row, w, v[:, target]), atol=1e-4)


def by_matrices(x, w, v):
    a = np.maximum(x @ w, 0)
    if not a.any():
        return np.zeros_like(x)
    r = a @ v * np.abs(a * v) / np.abs(a * v).sum()
    z = x[:, None] * w
    up, down = np.maximum(z, 0), np.maximum(-z, 0)
    gain, loss = np.maximum(r, 0), np.minimum(r, 0)
    above, below = up.sum(0), down.sum(0)
    turned = gain + np.where(below == 0, loss, 0)
    c = up @ ratio(turned, above) + down @ (ratio(loss, below) + ratio(r, above + below))
    kept = r[above + below > 0].sum()
    there = c != 0
    return c - there * (c.sum() - kept) / there.sum()


def ratio(a, b):
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def test_a_batch_equals_its_rows():
    x = sample_images()[:4]
    model = onnxpath.load(sample("digits_resnet"), providers="cpu")
    together = onnxpath.attribute(model, x, method="rap").values
    alone = np.concatenate([onnxpath.attribute(model, x[i : i + 1], method="rap").values for i in range(4)])
    assert np.allclose(together, alone, atol=1e-5)


def test_shares_of_an_add():
    """By magnitude, halves where both are zero; published with their signs."""
    model = parse(
        "m (float[n, 2] x) => (float[n, 2] y) { a = MatMul(x, A); b = MatMul(x, B); y = Add(a, b) }",
        A=np.float32([[3, 0], [0, 3]]),
        B=np.float32([[-1, 0], [0, 1]]),
    )
    x = np.float32([[2, 5]])
    shares = {
        published: {
            s.node: (s.given, s.passed)
            for s in conservation(model, x, 0, "rap", published=published)
            if s.operator != "Add"
        }
        for published in (False, True)
    }
    by_size = sorted(float(given[0]) for given, _ in shares[False].values())
    signed = sorted(float(given[0]) for given, _ in shares[True].values())
    assert np.allclose(by_size, [1, 3])
    assert np.allclose(signed, [-2, 6])


def test_rows_must_be_apart():
    model = parse("m (float[n, 2] x) => (float[n, 2] y) { s = CumSum(x, k); y = Relu(s) }", k=np.int64(0))
    with pytest.raises(onnxpath.OnnxPathError, match="row"):
        onnxpath.attribute(model, np.ones((1, 2), np.float32), method="rap")


def fifty_layers():
    """A residual network of bottlenecks, 1 + 16 · 3 convolutions and a dense layer, random weights, no biases."""
    rng = np.random.default_rng(11)
    weights, nodes = {}, []

    def conv(source, made, into, out, kernel):
        spread = np.sqrt(2 / (into * kernel**2))
        weights[f"w_{made}"] = rng.normal(0, spread, (out, into, kernel, kernel)).astype(np.float32)
        nodes.append(f"{made} = Conv<pads = {[kernel // 2] * 4}>({source}, w_{made})")

    conv("x", "c", 3, 8, 3)
    nodes.append("r0 = Relu(c)")
    for i in range(16):
        conv(f"r{i}", f"p{i}", 8, 4, 1)
        nodes.append(f"q{i} = Relu(p{i})")
        conv(f"q{i}", f"s{i}", 4, 4, 3)
        nodes.append(f"t{i} = Relu(s{i})")
        conv(f"t{i}", f"u{i}", 4, 8, 1)
        nodes += [f"v{i} = Add(r{i}, u{i})", f"r{i + 1} = Relu(v{i})"]
    weights["V"] = rng.normal(size=(8, 5)).astype(np.float32)
    nodes += ["g = GlobalAveragePool(r16)", "f = Flatten(g)", "y = MatMul(f, V)"]
    text = f"m (float[n, 3, 12, 12] x) => (float[n, 5] y) {{ {'; '.join(nodes)} }}"
    return parse(text, **weights), rng.normal(size=(2, 3, 12, 12)).astype(np.float32)


def test_fifty_layers_conserve():
    """What goes in comes out at every node and on every cut, as far as float32 tells."""
    model, x = fifty_layers()
    passages = conservation(model, x)
    start = np.abs(passages[0].given)
    assert len(passages) == 49 + 49 + 16 + 3
    for passage in passages:
        assert (np.abs(passage.lost) <= 1e-3 * start).all(), passage
        assert (np.abs(passage.cut - passages[0].given) <= 1e-3 * start).all(), passage


def test_fifty_layers_with_signed_shares():
    model, x = fifty_layers()
    found = onnxpath.attribute(model, x, method="rap", published=True)
    size = np.abs(found.values).reshape(2, -1).sum(1) / found.logits.max(1)
    assert np.isfinite(found.values).all() and (size < 1e4).all()
    assert (np.abs(found.delta) <= 1e-2 * found.logits.max(1)).all()
