"""A network built by hand, whose answer is known, and what each selector makes of it: three branches, one decides.

Of 12 neurons of layer `a` and 6 of layer `d`, 4 and 2 cause the logit, as many are off (dead) and as many are on, and
cancelled downstream: behind `d` are two linear maps, whose product ignores what the first one reads.
"""

from functools import cache

import numpy as np
import pytest

import onnxpath
from tests.models import parse, run

CAUSAL = {"a": {0, 1, 2, 3}, "d": {0, 1}}
DEAD = {"a": {4, 5, 6, 7}, "d": {2, 3}}
CANCELLED = {"a": {8, 9, 10, 11}, "d": {4, 5}}
SIZES = {"a": 12, "d": 6}
TWO_THIRDS = 12 / 18
"""The sparsity that leaves room for the causal branch alone."""

X = np.float32([[1, 2, 3, 4], [2, 1, 1, 2], [3, 3, 2, 1]])


@cache
def network():
    """x [n, 4], positive -> y [n, 2] of which the first is larger; integers throughout, so that zeros are exact."""
    first, second = np.zeros((4, 12), np.float32), np.zeros((12, 6), np.float32)
    for i in range(4):
        first[i, [i, 4 + i, 8 + i]] = 1, -1, 3  # causal, dead, and larger than both: cancelled
    second[[0, 1], 0], second[[2, 3], 1] = 1, 1
    second[[4, 5], 0], second[[6, 7], 1] = 9, 9  # the dead would matter if they were on
    second[[8, 9], 4], second[[10, 11], 5] = 1, 1
    second[[8, 11], [2, 3]] = -1
    third, last = np.zeros((6, 4), np.float32), np.float32([[1, 0], [0, 0], [2, 0], [2, 0]])
    third[[0, 1, 2, 3], 0] = 2, 1, 9, 9
    third[[4, 5], 2], third[[4, 5], 3] = 7, -7
    text = """m (float[n, 4] x) => (float[n, 2] y) {
        z = MatMul(x, A); a = Relu(z); w = MatMul(a, B); d = Relu(w); u = MatMul(d, C); y = MatMul(u, D) }"""
    return parse(text, A=first, B=second, C=third, D=last)


def kept_by(selector, model=None, **options):
    """Pathways, and the neurons that each keeps by layer."""
    model = onnxpath.load(model or network(), providers="cpu")
    found = onnxpath.critical_pathway(model, X, 0, selector=selector, **options)
    return found, [{name: set(np.flatnonzero(mask)) for name, mask in p.masks.items()} for p in found]


def of(kept, branch):
    """Fraction of a branch that is kept."""
    return sum(len(kept[k] & branch[k]) for k in branch) / sum(map(len, branch.values()))


def recall_and_precision(kept):
    hits, size = sum(len(kept[k] & CAUSAL[k]) for k in CAUSAL), sum(map(len, kept.values()))
    return hits / 6, hits / size if size else 0.0


def test_what_is_true_of_the_network():
    masked = onnxpath.insert_masks(network())

    def logit(branch):
        masks = {f"mask_{k}": np.ones((3, n), np.float32) for k, n in SIZES.items()}
        for name, neurons in branch.items():
            masks[f"mask_{name}"][:, list(neurons)] = 0
        return run(masked, {"x": X, **masks})["y"][:, 0]

    whole = logit({})
    assert all(np.all(logit({k: {i}}) < whole) for k in CAUSAL for i in CAUSAL[k])
    for harmless in (DEAD, CANCELLED):
        np.testing.assert_array_equal(logit(harmless), whole)
    layers = run(onnxpath.expose(network(), ["a", "d"]), {"x": X}, outputs=["a", "d"])
    for name, values in layers.items():
        assert {i for i in range(SIZES[name]) if np.all(values[:, i] <= 0)} == DEAD[name]
        assert {i for i in range(SIZES[name]) if np.all(values[:, i] > 0)} == CAUSAL[name] | CANCELLED[name]


EXACT = [("neuron-mct", {}), ("neuron-intgrad", {}), ("greedy", {}), ("dgr-neuron", {}), ("dgr", {})]


@pytest.mark.parametrize(("selector", "options"), EXACT)
def test_exact_recall_and_precision(selector, options):
    found, kept = kept_by(selector, sparsity=TWO_THIRDS, **options)
    assert [recall_and_precision(row) for row in kept] == [(1.0, 1.0)] * 3
    for pathway in found:
        assert pathway.dead_fraction == 0 and pathway.masked.logit == pathway.original.logit


@pytest.mark.parametrize("selector", ["neuron-mct", "neuron-intgrad", "greedy"])
def test_scores_of_zero_are_pruned_whatever_room_there_is(selector):
    for sparsity in (0.1, 0.5):
        _, kept = kept_by(selector, sparsity=sparsity)
        assert [recall_and_precision(row) for row in kept] == [(1.0, 1.0)] * 3


def test_the_controls():
    """On is not causal: the active subnet has half of it right, the largest activations one neuron at most."""
    _, kept = kept_by("active-subnet")
    assert [recall_and_precision(row) for row in kept] == [(1.0, 0.5)] * 3
    assert all(row[k] == CAUSAL[k] | CANCELLED[k] for row in kept for k in CAUSAL)
    found, kept = kept_by("activation-only", sparsity=TWO_THIRDS)
    assert max(recall_and_precision(row)[0] for row in kept) <= 1 / 6
    assert all(of(row, CANCELLED) >= 4 / 6 and p.masked.margin <= 0 for row, p in zip(kept, found, strict=True))
    seeds = [kept_by("random", sparsity=TWO_THIRDS, seed=seed)[1] for seed in range(60)]
    precision = np.mean([recall_and_precision(row)[1] for kept in seeds for row in kept])
    assert precision == pytest.approx(1 / 3, abs=0.05)


def test_greedy_that_keeps_zeros_fails():
    """The published objective is met by neurons that never mattered: dead and cancelled ones stay, the causal go."""
    found, kept = kept_by("greedy", variant="keep-zero", sparsity=TWO_THIRDS)
    # One causal neuron at most: it scores zero once the others of its branch are gone, and is as good as dead.
    assert max(recall_and_precision(row)[0] for row in kept) <= 1 / 6
    assert all(p.masked.margin <= 0 for p in found)
    _, kept = kept_by("greedy", variant="keep-zero", sparsity=1 / 3)
    assert max(recall_and_precision(row)[0] for row in kept) <= 1 / 6
    assert min(of(row, DEAD) for row in kept) >= 5 / 6


def test_the_released_greedy_fails():
    """It never prunes a dead or cancelled neuron, at a density that nobody asked for, and drops causal ones."""
    found, kept = kept_by("greedy", variant="released", n_rounds=99, sparsity=TWO_THIRDS)
    for row, pathway in zip(kept, found, strict=True):
        assert of(row, DEAD) == of(row, CANCELLED) == 1
        assert recall_and_precision(row)[0] <= 0.5 and pathway.density > 0.6


def test_dgr_depends_on_when_it_is_stopped():
    """No contribution is compared: all gates shrink alike, and are right for a while between too many and too few."""
    _, early = kept_by("dgr", n_steps=20)
    assert [recall_and_precision(row) for row in early] == [(1.0, 1 / 3)] * 3
    assert all(of(row, DEAD) == of(row, CANCELLED) == 1 for row in early)
    found, late = kept_by("dgr", n_steps=60)
    assert all(recall_and_precision(row)[0] < 1 and recall_and_precision(row)[1] == 1 for row in late)
    # The softmax hardly falls with what was dropped, which is why it was.
    assert all(p.masked.softmax > 0.99 for p in found)


def test_dgr_from_random_gates_drops_causal_neurons():
    """Gates that begin small are at zero before they are missed."""
    _, kept = kept_by("dgr-neuron", init="random", sparsity=TWO_THIRDS)
    assert min(recall_and_precision(row)[0] for row in kept) <= 0.5


def test_what_no_score_of_single_neurons_sees():
    """Twins that cancel each other inside one unit matter one by one, and are kept though both could go."""
    first = np.float32([[1, 1, 1]])
    second = np.float32([[2], [3], [-3]])
    text = "m (float[n, 1] x) => (float[n, 1] y) { z = MatMul(x, A); a = Relu(z); y = MatMul(a, B) }"
    model = onnxpath.load(parse(text, A=first, B=second), providers="cpu")
    for selector in ("neuron-mct", "neuron-intgrad"):
        (found,) = onnxpath.critical_pathway(model, np.ones((1, 1)), 0, selector=selector, sparsity=1 / 3)
        assert found.masks["a"].tolist() == [False, True, True]


def test_every_call_of_an_activation_has_scores():
    """METHODS: the released code of neuron-intgrad scores 17 of ResNet-50's 49 ReLU calls."""
    import onnx

    from onnxpath.pathway.programs import Setup
    from onnxpath.pathway.selectors import SELECTORS
    from onnxpath.runtime.targets import resolve_target
    from tests.models import operators, sample, sample_images

    calls = operators(onnx.load(sample("digits_resnet"))).count("Relu")
    model = onnxpath.load(sample("digits_resnet"), providers="cpu")
    goal = resolve_target(model, None, 2)
    setup, rows = Setup.of(model, goal), slice(0, 2)
    scores = SELECTORS.get("neuron-intgrad")(setup, {"image": sample_images()[:2]}, goal.feed(rows), rows, False)
    assert len(scores.signed) == calls and all(np.any(score) for score in scores.signed.values())


def test_selectors_that_draw_do_so_independently():
    """Of independent paths of density r the Jaccard index is r / (2 - r): one seed must not make one draw for all."""
    from tests.models import sample, sample_images

    model = onnxpath.load(sample("digits_cnn"), providers="cpu")
    drawn = {"dgr-neuron": {"n_steps": 1, "init": "random", "tries": 1}, "greedy": {"variant": "keep-zero"}}
    chance = onnxpath.critical_pathway(model, sample_images(), selector="random")
    for selector, options in drawn.items():
        found = onnxpath.critical_pathway(model, sample_images(), selector=selector, **options)
        assert np.mean([p.jaccard(q) for p, q in zip(found, chance, strict=True)]) == pytest.approx(0.1 / 1.9, abs=0.01)
