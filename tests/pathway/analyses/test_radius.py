"""The linear radius: by hand, against torch, and the three tests of a region in float64 on the reference evaluator."""

from dataclasses import replace

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnsupportedOperator
from onnxpath.pathway.analyses.radius import check_radius
from tests.models import LARGE, REAL, mlp, parse, real_input, sample, sample_images
from tests.pathway.analyses.region_oracle import NETWORKS, Oracle


def radius(model, x, *arguments, **options):
    return onnxpath.linear_radius(onnxpath.load(model, providers="cpu"), np.float32(x), *arguments, **options)


def pathways(model, x, sparsity=0.5, **options):
    loaded = onnxpath.load(model, providers="cpu")
    return onnxpath.critical_pathway(loaded, np.float32(x), sparsity=sparsity, **options)


def images(rows):
    """Sample pictures with the noise of a finer quantisation: their flat parts tie in max pooling."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, sample_images().shape) / 255
    return (sample_images() + noise).astype(np.float32)[:rows]


# ------------------------------------------------------------------------------------------------ the region

CASES = [(name, selector, row) for name in NETWORKS for selector in (None, "neuron-mct", "random") for row in range(3)]


@pytest.mark.parametrize(("name", "selector", "row"), CASES)
def test_affine_within_the_ball_and_that_very_unit_flips_behind_it(name, selector, row):
    """METHODS 1.6, in float64: T1 affine, T2 no unit changes its branch, T3 just outside the nearest one does."""
    model, shape = NETWORKS[name]
    x = np.random.default_rng(row).normal(size=(1, *shape)).astype(np.float32)
    found = pathways(model, x, selector=selector) if selector else None
    (result,) = radius(model, x, found)
    network, first, x = Oracle(model, found[0] if found else None), result.nearest, x[0].astype(np.float64)
    assert result.bound == "exact" and 1e-4 < result.radius < np.inf
    direction = first.direction["x"]
    assert direction.shape == shape and np.linalg.norm(direction) == pytest.approx(1, rel=1e-6)
    before, logits = network.branches(x), network.logits(x)
    target = int(logits.argmax())
    gradient = network.gradient(x, target)
    rng = np.random.default_rng(10)
    for d in [direction, *rng.normal(size=(20, *shape))]:
        d = 0.999 * result.radius * d / np.linalg.norm(d)
        assert all(np.array_equal(b, before[n]) for n, b in network.branches(x + d).items())
        assert abs(network.logits(x + d)[target] - logits[target] - (gradient * d).sum()) <= 1e-10 * (
            1 + abs(logits).max()
        )
    after = network.branches(x + 1.001 * result.radius * direction)
    flipped = before[first.layer] != after[first.layer]
    if first.rival is None:
        assert flipped[first.unit]
    else:
        sizes = network.values(x)[next(n.input[0] for n in network.nodes if n.output[0] == first.layer)].shape[1:]
        won, lost = (np.ravel_multi_index(place[1:], sizes) for place in (first.rival, first.unit))
        swaps = flipped & (after[first.layer] == won) & (before[first.layer] == lost)
        assert swaps[first.unit[0]].any() and first.unit[0] == first.rival[0]


def test_every_kind_of_kink_is_the_nearest_somewhere():
    """Or else the test above would say nothing about it."""
    ends = set()
    for model, shape in NETWORKS.values():
        x = np.random.default_rng(0).normal(size=(30, *shape))
        ends |= {r.nearest.layer for r in radius(model, x)}
    assert {"a", "b", "c", "m1", "m2", "a0", "a1"} <= ends


@pytest.mark.needs("torch")
def test_distance_of_every_relu_layer_against_torch():
    """|z| over the length of its row in the Jacobian that torch computes in float64."""
    import torch

    from sample_models.networks import from_onnx

    x = images(1)
    network, before = from_onnx(sample("digits_cnn")).double().requires_grad_(False), []

    class Tap(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is torch.Tensor.relu:
                before.append(args[0])
            return function(*args, **(kwargs or {}))

    point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    with Tap():
        network(point)
    expected = []
    for z in before[2:]:  # the last two: a row per unit takes torch long
        eye = torch.eye(z.numel(), dtype=torch.float64).reshape(-1, *z.shape)
        jacobian = torch.autograd.grad(z, point, eye, retain_graph=True, is_grads_batched=True)[0]
        expected.append(float((z.detach().flatten().abs() / jacobian.flatten(1).norm(dim=1)).min()))
    (found,) = radius(sample("digits_cnn"), x)
    by_relu = [distance for layer, distance in found.layers.items() if "Relu" in layer][2:]
    np.testing.assert_allclose(by_relu, expected, rtol=2e-2)
    assert found.radius == min(found.layers.values())


# ------------------------------------------------------------------------------------------------ by hand


def test_by_hand():
    text = "m (float[n, 2] x) => (float[n, 1] y) { z = Gemm(x, W, b); a = Relu(z); y = MatMul(a, V) }"
    w = np.float32([[3, 0, 1], [4, 2, 0]])  # kinks at 3 p + 4 q = 10, 2 q = -6, p = -8
    model = parse(text, W=w, b=np.float32([-10, 6, 8]), V=np.ones((3, 1), np.float32))
    (found,) = radius(model, [[0, 0]])
    assert found.radius == pytest.approx(2) and found.nearest.unit == (0,) and found.nearest.op == "Relu"
    np.testing.assert_allclose(found.nearest.direction["x"], [0.6, 0.8], rtol=1e-6)
    assert (found.units, found.kept, found.off, found.off_fraction) == (3, 3, 1, 1 / 3)
    # Without the nearest unit, which a pathway of what is active does not hold.
    (kept,) = pathways(model, [[0, 0]], sparsity=0.2)
    assert list(kept.masks["a"]) == [False, True, True]
    (found,) = radius(model, [[0, 0]], [kept])
    assert found.radius == pytest.approx(3) and found.nearest.unit == (1,) and found.off == 0
    np.testing.assert_allclose(found.nearest.direction["x"], [0, -1])


@pytest.mark.parametrize(
    ("node", "x", "expected"),
    [
        ("Relu(x)", 0.5, 0.5),
        ("Relu(x)", -0.25, 0.25),
        ("Clip(x, zero, six)", 5.5, 0.5),
        ("Clip(x, zero, six)", 7, 1),
        ("Clip(x, zero, six)", 2, 2),
        ("Clip(x, , six)", -3, 9),
        ("LeakyRelu(x)", -3, 3),
        ("PRelu(x, slope)", 3, 3),
        ("Abs(x)", 2, 2),
        ("ThresholdedRelu<alpha = 2.0>(x)", 0.5, 1.5),
        ("HardSigmoid<alpha = 0.5, beta = 0.25>(x)", 0, 0.5),
        ("HardSigmoid<alpha = 0.5, beta = 0.25>(x)", 1.4, 0.1),
        ("Max(x, six)", 4, 2),
        ("Min(six, x)", 4, 2),
        ("Mul(x, six)", 4, np.inf),
    ],
)
def test_kinks_of_each_operator(node, x, expected):
    constants = {"zero": np.float32(0), "six": np.float32(6), "slope": np.float32([0.1])}
    model = parse(f"m (float[n, 1] x) => (float[n, 1] y) {{ a = {node}; y = Add(a, x) }}", **constants)
    (found,) = radius(model, [[x]])
    assert found.radius == pytest.approx(expected, rel=1e-6)
    assert (found.nearest is None) == np.isinf(expected)


def test_max_of_two_that_vary():
    model = parse(
        "m (float[n, 2] x) => (float[n, 2] y) { z = MatMul(x, W); y = Max(x, z) }", W=2 * np.eye(2, dtype="f")
    )
    (found,) = radius(model, [[3, -1]])  # x - 2x = -x: the kinks are where x is 0
    assert found.radius == pytest.approx(1) and found.nearest.unit == (1,)
    np.testing.assert_allclose(found.nearest.direction["x"], [0, 1])


def test_max_pooling_by_hand():
    text = "m (float[n, 1, 4] x) => (float[n, 1, 2] y) { y = MaxPool<kernel_shape = [2], strides = [2]>(x) }"
    (found,) = radius(parse(text), [[[5, 1, 2, 3]]])
    assert found.radius == pytest.approx(1 / np.sqrt(2))
    assert (found.nearest.unit, found.nearest.rival, found.units) == ((0, 3), (0, 2), 2)
    np.testing.assert_allclose(found.nearest.direction["x"], [[0, 0, 0.5**0.5, -(0.5**0.5)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "kept", "x", "expected"),
    [
        (0, [True, True], [0.9, 0.5], 0.4 / 2**0.5),  # both vary
        (0, [True, True], [0.9, -0.5], 0.5),  # the second is off: it turns on before it could win
        (0, [True, True], [3.0, 1.5], 0.5),  # the first is saturated
        (0, [True, False], [0.9, 0.7], 0.9),  # the second is pruned
        (-1, [False, True], [0.9, -0.3], 0.3),  # the first is pruned and wins with its zero, which is no bound here
    ],
)
def test_max_pooling_behind_a_clip(low, kept, x, expected):
    text = """m (float[n, 1, 2] x) => (float[n, 1, 1] y) {
        a = Clip(x, low, two); m = MaxPool<kernel_shape = [2]>(a); b = Identity(m); c = Relu(b); y = Add(c, b) }"""
    model = parse(text, low=np.float32(low), two=np.float32(2))
    (found,) = pathways(model, [[x]], sparsity=0)
    masks = {"a": np.array([kept]), "c": np.zeros([1, 1], bool)}
    assert radius(model, [[x]], [replace(found, masks=masks)])[0].radius == pytest.approx(expected, rel=1e-6)


def test_saturated_units_are_counted_apart():
    bounds = {"zero": np.float32(0), "six": np.float32(6)}
    model = parse("m (float[n, 4] x) => (float[n, 4] y) { a = Clip(x, zero, six); y = Add(a, x) }", **bounds)
    (found,) = radius(model, [[-1, 3, 7, 9]])
    assert (found.kept, found.off, found.saturated) == (4, 1, 2)


def test_kept_neurons_that_are_off_without_the_others():
    text = "m (float[n, 2] x) => (float[n, 1] y) { a = Relu(x); z = MatMul(a, W); b = Relu(z); y = MatMul(b, V) }"
    model = parse(text, W=np.float32([[1, 0], [-2, 1]]), V=np.ones((2, 1), np.float32))
    found = pathways(model, [[3, 1]], sparsity=0)
    whole, alone = found[0].masks, {"a": np.array([False, True]), "b": np.array([True, True])}
    assert all(m.all() for m in whole.values())
    (result,) = radius(model, [[3, 1]], [replace(found[0], masks=alone)])
    # b reads -2 and 1: its first neuron, on in the whole network, is off. Its kink is that of a's second.
    assert (result.kept, result.off, result.radius) == (3, 1, pytest.approx(1))


# ------------------------------------------------------------------------------------------------ calls


def test_a_batch_is_its_rows():
    x = images(3)
    found = pathways(sample("digits_cnn"), x, sparsity=0.9)
    together = radius(sample("digits_cnn"), x, found)
    for row, one in enumerate(together):
        (alone,) = radius(sample("digits_cnn"), x[row : row + 1], found[row : row + 1])
        assert one.radius == pytest.approx(alone.radius, rel=1e-4) and one.nearest.unit == alone.nearest.unit


def test_a_batch_that_the_file_fixes():
    model, fixed = mlp(), mlp()
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 3
    x = np.random.default_rng(0).normal(size=(4, 6))
    for one, other in zip(radius(model, x), radius(fixed, x), strict=True):
        assert one.radius == pytest.approx(other.radius, rel=1e-5) and one.units == other.units == 13


def test_a_small_memory_changes_nothing():
    x = images(1)
    tight = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1 << 20)
    (one,), (other,) = onnxpath.linear_radius(tight, x), radius(sample("digits_cnn"), x)
    assert one.radius == pytest.approx(other.radius, rel=1e-5)


def test_some_units_give_an_upper_bound():
    model, shape = NETWORKS["residual"]
    x = np.random.default_rng(0).normal(size=(4, *shape))
    exact = radius(model, x)
    for units in (1, 50):
        some = radius(model, x, units=units)
        assert all(s.bound == "upper" and s.radius >= e.radius * (1 - 1e-5) for s, e in zip(some, exact, strict=True))
        assert all(s.units == 3 * units for s in some)
    assert any(s.radius > e.radius * 1.01 for s, e in zip(radius(model, x, units=1), exact, strict=True))
    enough = radius(model, x, units=144)
    assert [(e.bound, e.units) for e in enough] == [(e.bound, e.units) for e in exact] == [("exact", 432)] * 4


def test_several_inputs_move_together():
    model = parse("m (float[n, 1] p, float[n, 1] q) => (float[n, 1] y) { s = Add(p, q); a = Relu(s); y = Add(a, p) }")
    (found,) = radius_of_two(model, 3, 1)
    assert found.radius == pytest.approx(4 / np.sqrt(2))
    assert {k: float(v[0]) for k, v in found.nearest.direction.items()} == pytest.approx(
        {"p": -(0.5**0.5), "q": -(0.5**0.5)}
    )


def radius_of_two(model, p, q):
    return onnxpath.linear_radius(onnxpath.load(model, providers="cpu"), {"p": [[float(p)]], "q": [[float(q)]]})


@pytest.mark.parametrize("name", [*REAL, *LARGE])
def test_real_networks_are_known_to_be_piecewise_affine(data_dir, name):
    """Shape clutter, Pad and Slice shortcuts, ReLU6, Concat, pads of auto_pad: nothing of that bends."""
    model = onnxpath.load(data_dir / "models" / f"{name}.onnx", providers="cpu")
    check_radius(model)
    if name.startswith(("resnet8", "mnist8")):
        x = real_input(data_dir, name, 1)
        (found,) = onnxpath.linear_radius(model, x, onnxpath.critical_pathway(model, x, sparsity=0.99), units=5)
        assert 0 < found.radius < np.linalg.norm(x) and found.nearest.layer in found.layers


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("nodes", "named"),
    [
        ("a = Relu(x); b = Softmax(a); y = Tanh(b)", ["Softmax", "Tanh"]),
        ("a = Relu(x); y = Mul(a, x)", ["Mul"]),
        ("g = Greater(x, zero); c = Cast<to = 1>(g); y = Mul(c, x)", ["Greater", "Mul"]),
        ("t = Transpose<perm = [1, 0]>(x); z = MatMul(x, t); y = MatMul(z, x)", ["MatMul"]),
        ("y = Div(one, x)", ["Div"]),
        ("g = Greater(x, zero); y = Where(g, x, zero)", ["Greater", "Where"]),
        ("a = Max(x, zero, one); y = Floor(a)", ["Max", "Floor"]),
        ("s = ReduceSum<keepdims = 1>(x); y = Clip(x, s)", ["Clip"]),
    ],
)
def test_what_is_not_piecewise_affine_is_refused_and_named(nodes, named):
    model = parse(f"m (float[n, 3] x) => (float[n, 3] y) {{ {nodes} }}", zero=np.float32(0), one=np.float32([1]))
    with pytest.raises(UnsupportedOperator, match="known are ReLU") as caught:
        radius(model, [[1, 2, 3]])
    listed = [line.split()[0] for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert listed == named


def test_what_the_output_does_not_depend_on_may_be_anything():
    text = "m (float[n, 3] x) => (float[n, 3] y, float[n, 3] e) { a = Relu(x); y = Add(a, x); e = Exp(x) }"
    assert radius(parse(text), [[1, 2, 3]])[0].radius == pytest.approx(1)
    with pytest.raises(UnsupportedOperator, match="Exp"):
        radius(parse(text), [[1, 2, 3]], output="e")


def test_pathways_that_do_not_fit():
    x = np.random.default_rng(0).normal(size=(2, 6))
    found = pathways(mlp(), x)
    with pytest.raises(InputError, match="2 rows need one pathway each; 1 were given"):
        radius(mlp(), x, found[:1])
    other = pathways(mlp(widths=(6, 7, 5, 3)), x)
    with pytest.raises(InputError, match=r"pathway 0 has masks .* and the neuron layers of this network are"):
        radius(mlp(), x, other)
    with pytest.raises(InputError, match="1 or more; 0 was given"):
        radius(mlp(), x, units=0)
