"""Greedy pruning against a plain version in torch, its variants, and the published density."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from tests.models import SAMPLES, mlp, parse, run, sample, sample_images

RNG = np.random.default_rng(13)


def greedy(model, x, **options):
    return onnxpath.critical_pathway(onnxpath.load(model, providers="cpu"), x, selector="greedy", **options)


def pooled(masks):
    return np.concatenate([np.ravel(m) for m in masks])


def scores_in_torch(name, x, target, kept):
    """|masked activation · gradient| of one image, pooled over all layers; kept: flat bools, None for all."""
    import torch

    from tests.pathway.torch_oracle import forward, picked

    places = {}

    def mask(call, a):
        begin = sum(places.values())
        places[call] = a.numel()
        if kept is None:
            return a
        return a * torch.tensor(kept[begin : begin + a.numel()].reshape(a.shape), dtype=a.dtype)

    logits, masked = forward(name, torch.tensor(x, requires_grad=True), mask)
    gradients = torch.autograd.grad(picked(logits, target), masked, allow_unused=True)
    grads = [torch.zeros_like(a) if g is None else g for a, g in zip(masked, gradients, strict=True)]
    return pooled([(a * g).abs().detach().numpy() for a, g in zip(masked, grads, strict=True)])


def strict(name, x, target, sparsity, n_rounds):
    kept = None
    for done in range(1, n_rounds + 1):
        scores = scores_in_torch(name, x, target, kept)
        kept = np.ones(scores.size, bool) if kept is None else kept
        left = round((1 - sparsity * done / n_rounds) * scores.size)
        tau = np.sort(scores)[::-1][left]
        kept &= scores > tau
    return kept


def released(name, x, target, n_rounds):
    """The published loop, word for word: (a) replace, threshold, (b) prune, (c) keep what scores zero."""
    kept = None
    for index in range(n_rounds):
        scores = scores_in_torch(name, x, target, kept)
        kept = np.ones(scores.size, bool) if kept is None else kept
        replaced = np.where(scores <= 0, scores.max(), scores)
        tau = np.percentile(replaced, index)
        kept[scores <= tau] = False
        kept[scores <= 0] = True
    return kept


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", SAMPLES)
def test_rounds_against_torch(name):
    x = sample_images()[:3]
    for variant, plain in (("strict", lambda i, t: strict(name, i, t, 0.9, 6)), ("released", None)):
        found = greedy(sample(name), x, n_rounds=6, variant=variant)
        for row, pathway in enumerate(found):
            target = np.array([pathway.target])
            one = x[row : row + 1]
            expected = plain(one, target) if plain else released(name, one, target, 6)
            mask = pooled(pathway.masks.values())
            overlap = (mask & expected).sum() / (mask | expected).sum()
            # A score near the threshold may fall on either side, and later rounds build on it.
            assert overlap >= 0.98, (variant, overlap)


def test_one_round_is_neuron_mct():
    x = sample_images()[:4]
    for scope in ("global", "layer"):
        one = greedy(sample("digits_cnn"), x, n_rounds=1, scope=scope)
        other = onnxpath.critical_pathway(sample("digits_cnn"), x, scope=scope)
        assert all(p.jaccard(q) == 1 for p, q in zip(one, other, strict=True))


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_pruned_stays_pruned(scope):
    """What is left after i of N rounds is what i rounds leave at the fraction that is pruned by then."""
    x = sample_images()[:3]
    for variant in ("strict", "keep-zero"):
        before = None
        for rounds in (2, 4, 6, 8):
            found = greedy(
                sample("digits_resnet"), x, sparsity=0.1 * rounds, n_rounds=rounds, variant=variant, scope=scope
            )
            for row, pathway in enumerate(found):
                if before is not None:
                    assert all(not np.any(m & ~before[row].masks[k]) for k, m in pathway.masks.items())
            before = found


@pytest.mark.parametrize("n_rounds", [2, 7])
def test_strict_has_the_density_asked_for_and_nothing_dead(n_rounds):
    for pathway in greedy(sample("digits_cnn"), sample_images()[:4], n_rounds=n_rounds, sparsity=0.9):
        count = sum(layer.neurons for layer in pathway.layers)
        assert round(0.1 * count) - 5 <= pathway.density * count <= round(0.1 * count)
        assert pathway.dead_fraction == 0 and pathway.kept_prediction


def test_keep_zero_keeps_all_that_is_dead_while_anything_else_is_left():
    x = sample_images()[:4]
    layers = [layer.name for layer in onnxpath.load(sample("digits_cnn")).layers()]
    a = run(onnxpath.expose(sample("digits_cnn"), layers), {"image": x}, outputs=layers)
    # One round: in later ones what was off may be on, and have a score.
    for row, pathway in enumerate(greedy(sample("digits_cnn"), x, variant="keep-zero", sparsity=0.1, n_rounds=1)):
        for name in layers:
            assert np.all(pathway.masks[name][a[name][row] <= 0])
        assert pathway.dead_fraction > pathway.base_sparsity
        assert pathway.density == pytest.approx(0.9, abs=1e-3)
    for pathway in greedy(sample("digits_cnn"), x, variant="keep-zero", sparsity=0.9):
        # The scores that are positive run out long before nine in ten are pruned.
        assert pathway.dead_fraction > 0.9 and pathway.density == pytest.approx(0.1, abs=1e-3)


def test_the_draw_of_keep_zero_depends_on_seed_and_row_alone():
    x = sample_images()[:4]
    options = {"variant": "keep-zero", "sparsity": 0.9}
    found = greedy(sample("digits_cnn"), x, **options)
    split = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    alone = onnxpath.critical_pathway(split, x, selector="greedy", **options)
    other = greedy(sample("digits_cnn"), x, seed=1, **options)
    assert all(p.jaccard(q) > 0.98 for p, q in zip(found, alone, strict=True))
    assert all(p.jaccard(q) < 0.5 for p, q in zip(found, other, strict=True))


def test_released_ends_at_a_density_of_its_own():
    """Whatever is asked for, and above it: zero scores are revived."""
    x = sample_images()[:3]
    found, other = (greedy(sample("digits_cnn"), x, variant="released", n_rounds=60, sparsity=s) for s in (0.9, 0.5))
    for one, two in zip(found, other, strict=True):
        assert one.jaccard(two) == 1 and one.sparsity is None
        assert one.density > 0.6 and one.dead_fraction > one.base_sparsity


def tiny_cnn():
    """Two pairs of convolutions of 16 and 32 channels and 64 hidden units, random, biased to be mostly off."""
    rng, arrays, nodes, source, channels = np.random.default_rng(0), {}, [], "x", 3
    for i, (width, pool) in enumerate([(16, 0), (16, 1), (32, 0), (32, 1)]):
        bound = 2.45 / np.sqrt(9 * channels)
        arrays[f"W{i}"] = rng.uniform(-bound, bound, (width, channels, 3, 3)).astype(np.float32)
        arrays[f"b{i}"] = (rng.uniform(-bound, bound, width) - 0.22).astype(np.float32)
        nodes += [f"z{i} = Conv <pads = [1, 1, 1, 1]> ({source}, W{i}, b{i})", f"a{i} = Relu(z{i})"]
        source, channels = f"a{i}", width
        if pool:
            nodes.append(f"p{i} = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a{i})")
            source = f"p{i}"
    bound = 2.45 / np.sqrt(512)
    arrays["V"] = rng.uniform(-bound, bound, (512, 64)).astype(np.float32)
    arrays["c"] = (rng.uniform(-bound, bound, 64) - 0.22).astype(np.float32)
    arrays["U"] = rng.uniform(-0.125, 0.125, (64, 10)).astype(np.float32)
    nodes += [f"f = Flatten({source})", "h = Gemm(f, V, c)", "a4 = Relu(h)", "y = MatMul(a4, U)"]
    return parse(f"m (float[n, 3, 16, 16] x) => (float[n, 10] y) {{ {'; '.join(nodes)} }}", **arrays)


@pytest.mark.parametrize("n_rounds", [50, 98])
def test_the_published_code_keeps_four_fifths(n_rounds):
    """METHODS: of a tiny CNN of base sparsity 0.594 it keeps 0.791, of which 0.696 are dead."""
    x = RNG.normal(size=(6, 3, 16, 16)).astype(np.float32)
    found = greedy(tiny_cnn(), x, variant="released", n_rounds=n_rounds)
    mean = {k: np.mean([getattr(p, k) for p in found]) for k in ("base_sparsity", "density", "dead_fraction")}
    assert mean["base_sparsity"] == pytest.approx(0.594, abs=0.01)
    assert mean["density"] == pytest.approx(0.791, abs=0.01)
    assert mean["dead_fraction"] == pytest.approx(0.696, abs=0.015)


def test_options_that_cannot_be():
    x = np.ones((1, 6), np.float32)
    with pytest.raises(UnknownName, match=r"no variant of greedy named 'lazy'(.|\n)*strict, keep-zero, released"):
        greedy(mlp(), x, variant="lazy")
    with pytest.raises(InputError, match="n_rounds must be at least 1; 0 was given"):
        greedy(mlp(), x, n_rounds=0)
    with pytest.raises(InputError, match="n_rounds is at most 101"):
        greedy(mlp(), x, n_rounds=102, variant="released")
