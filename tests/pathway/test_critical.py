"""Pathways from end to end: what is kept, what is said about it, and what cannot be asked."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, OnnxPathError
from onnxpath.pathway.selectors import SELECTORS
from tests.models import OWN_DENSITY, QUICK, SAMPLES, input_name, mlp, parse, real_input, run, sample, sample_images

RNG = np.random.default_rng(10)


def pathways(model, x, **options):
    return onnxpath.critical_pathway(onnxpath.load(model, providers="cpu"), x, **options)


def activations(name, x):
    """Layer -> activation, from ONNX Runtime alone."""
    layers = [layer.name for layer in onnxpath.load(sample(name), providers="cpu").layers()]
    return run(onnxpath.expose(sample(name), layers), {"image": x}, outputs=layers)


def masked_logits(name, x, found):
    masks = {f"mask_{k}": np.stack([p.masks[k] for p in found]).astype(np.float32) for k in found[0].masks}
    return run(onnxpath.insert_masks(sample(name)), {"image": x, **masks})["logits"]


def softmax(logits):
    e = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# ------------------------------------------------------------------------------------------------ what is said


@pytest.mark.parametrize("selector", SELECTORS.names())
@pytest.mark.parametrize("name", SAMPLES)
def test_readings_are_those_of_both_networks(name, selector):
    x = sample_images()[:5]
    found = pathways(sample(name), x, selector=selector, sparsity=0.8, **QUICK.get(selector, {}))
    assert len(found) == 5
    whole, masked = run(sample(name), {"image": x})["logits"], masked_logits(name, x, found)
    best = whole.argmax(1)
    for row, pathway in enumerate(found):
        assert pathway.target == best[row] == pathway.original.prediction
        for logits, reading in ((whole[row], pathway.original), (masked[row], pathway.masked)):
            rest = np.delete(logits, best[row])
            assert reading.prediction == logits.argmax()
            assert reading.logit == pytest.approx(logits[best[row]], rel=1e-4, abs=1e-4)
            assert reading.softmax == pytest.approx(softmax(logits[None])[0, best[row]], abs=1e-4)
            assert reading.margin == pytest.approx(logits[best[row]] - rest.max(), rel=1e-3, abs=1e-3)
        assert pathway.margin == pathway.masked.margin
        assert pathway.kept_prediction == (masked[row].argmax() == best[row])
        assert (pathway.selector, pathway.scope) == (selector, "global")
        assert pathway.sparsity == (None if selector in OWN_DENSITY else 0.8)


def test_the_target_is_the_unmasked_class_though_the_masked_network_says_another():
    found = pathways(sample("digits_cnn"), sample_images(), selector="random", sparsity=0.9)
    changed = [p for p in found if not p.kept_prediction]
    assert changed and all(p.target == p.original.prediction != p.masked.prediction for p in changed)
    assert all(p.masked.margin < 0 for p in changed)


@pytest.mark.parametrize("selector", SELECTORS.names())
@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet"])
def test_fractions_by_hand(name, selector):
    x = sample_images()[:4]
    a = activations(name, x)
    found = pathways(sample(name), x, selector=selector, sparsity=0.7, **QUICK.get(selector, {}))
    for row, pathway in enumerate(found):
        assert list(pathway.masks) == list(a)
        assert all(m.dtype == bool and m.shape == a[k].shape[1:] for k, m in pathway.masks.items())
        kept = sum(m.sum() for m in pathway.masks.values())
        count = sum(m.size for m in pathway.masks.values())
        off = {k: v[row] <= 0 for k, v in a.items()}
        assert pathway.density == kept / count
        assert pathway.base_sparsity == pytest.approx(sum(v.sum() for v in off.values()) / count)
        dead = sum((off[k] & m).sum() for k, m in pathway.masks.items())
        assert pathway.dead_fraction == pytest.approx(dead / kept)
        for layer in pathway.layers:
            mask = pathway.masks[layer.name]
            assert (layer.neurons, layer.kept) == (mask.size, mask.sum())
            assert layer.active == (~off[layer.name]).sum()
        if selector in ("neuron-mct", "neuron-intgrad"):
            assert pathway.dead_fraction == 0


def test_activation_only_keeps_the_largest_activations():
    x = sample_images()[:3]
    a = activations("digits_cnn", x)
    for row, pathway in enumerate(pathways(sample("digits_cnn"), x, selector="activation-only", sparsity=0.9)):
        kept = [a[k][row][m] for k, m in pathway.masks.items()]
        pruned = [a[k][row][~m] for k, m in pathway.masks.items()]
        assert np.concatenate(kept).min() > np.concatenate(pruned).max()


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_density_is_what_was_asked_for(sparsity):
    x = sample_images()[:3]
    for selector in ("neuron-mct", "random"):
        for pathway in pathways(sample("digits_vit"), x, selector=selector, sparsity=sparsity):
            count = sum(layer.neurons for layer in pathway.layers)
            assert abs(pathway.density * count - (1 - sparsity) * count) <= 1
            if sparsity == 0:
                assert pathway.kept_prediction and pathway.masked.logit == pytest.approx(
                    pathway.original.logit, rel=1e-4
                )


def test_below_the_base_sparsity_what_scores_zero_is_pruned():
    """METHODS: at any sparsity below the share of zero scores exactly those are pruned."""
    x = sample_images()[:3]
    found = pathways(sample("digits_cnn"), x, sparsity=0.3)
    for pathway in found:
        assert 1 - pathway.density >= max(0.3, pathway.base_sparsity)
        assert pathway.kept_prediction
        assert pathway.masked.logit == pytest.approx(pathway.original.logit, rel=1e-4)


def test_per_layer_scope_cuts_every_layer():
    x = sample_images()[:2]
    for pathway in pathways(sample("digits_vit"), x, selector="activation-only", sparsity=0.9, scope="layer"):
        assert [layer.kept for layer in pathway.layers] == [round(0.1 * layer.neurons) for layer in pathway.layers]
        assert pathway.scope == "layer"


def test_undefined_where_no_activation_has_a_zero():
    for pathway in pathways(sample("digits_vit"), sample_images()[:2]):
        assert pathway.base_sparsity is None and pathway.dead_fraction is None
        assert [layer.active for layer in pathway.layers] == [None, None]


def test_fractions_are_over_the_layers_where_they_are_defined():
    w = RNG.normal(size=(6, 6)).astype(np.float32)
    text = "m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); b = MatMul(a, W); c = Tanh(b); y = MatMul(c, W) }"
    x = RNG.normal(size=(5, 6)).astype(np.float32)
    for row, pathway in enumerate(pathways(parse(text, W=w), x, selector="random", sparsity=0.3)):
        off = x[row] <= 0
        assert pathway.base_sparsity == pytest.approx(off.mean())
        assert pathway.dead_fraction == pytest.approx((off & pathway.masks["a"]).sum() / pathway.masks["a"].sum())
        assert [layer.active for layer in pathway.layers] == [(~off).sum(), None]


# ----------------------------------------------------------------------------------------------------- the control


def same(one, other):
    return all(p.jaccard(q) == 1 for p, q in zip(one, other, strict=True))


def test_random_depends_on_the_seed_and_the_row_alone():
    x = sample_images()
    model = onnxpath.load(sample("digits_cnn"), providers="cpu")
    found = onnxpath.critical_pathway(model, x, selector="random")
    assert same(found, onnxpath.critical_pathway(model, x, selector="random"))
    split = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    assert split.rows_per_run({"image": x}) == 1
    assert same(found, onnxpath.critical_pathway(split, x, selector="random"))
    assert same(found[:5], onnxpath.critical_pathway(model, x[:5], selector="random"))
    other = onnxpath.critical_pathway(model, x, selector="random", seed=1)
    # Of two independent paths of density r the Jaccard index is r / (2 - r).
    assert np.mean([p.jaccard(q) for p, q in zip(found, other, strict=True)]) == pytest.approx(0.1 / 1.9, abs=0.01)
    assert np.mean([found[i].jaccard(found[i + 1]) for i in range(11)]) == pytest.approx(0.1 / 1.9, abs=0.01)


@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet"])
def test_a_random_path_is_as_dead_as_the_network(name):
    found = pathways(sample(name), sample_images(), selector="random", sparsity=0.9)
    kept = [sum(layer.kept for layer in p.layers) for p in found]
    variance = [p.base_sparsity * (1 - p.base_sparsity) / k for p, k in zip(found, kept, strict=True)]
    difference = np.mean([p.dead_fraction - p.base_sparsity for p in found])
    assert abs(difference) <= 3 * np.sqrt(np.sum(variance)) / len(found)


# -------------------------------------------------------------------------------------------------- runs and batches


@pytest.mark.parametrize("selector", SELECTORS.names())
def test_a_small_memory_budget_changes_nothing(selector):
    x = sample_images()[:5]
    options = {"selector": selector, **QUICK.get(selector, {})}
    found = [
        onnxpath.critical_pathway(onnxpath.load(sample("digits_vit"), providers="cpu", memory=m), x, **options)
        for m in (1, 2**30)
    ]
    for one, other in zip(*found, strict=True):
        assert one.jaccard(other) >= 0.99
        assert one.masked.logit == pytest.approx(other.masked.logit, abs=0.05)


def test_a_fixed_batch_of_one(data_dir):
    path = data_dir / "models" / "mnist8_cntk.onnx"
    x = real_input(data_dir, "mnist8_cntk", 5)
    for selector in ("neuron-mct", "neuron-intgrad"):
        found = pathways(path, x, selector=selector)
        assert len(found) == 5
        for row, pathway in enumerate(found):
            logits = run(path, {input_name(path): x[row : row + 1]})
            assert pathway.target == next(iter(logits.values())).argmax()
            (alone,) = pathways(path, x[row : row + 1], selector=selector)
            assert pathway.jaccard(alone) == 1


@pytest.mark.parametrize("selector", SELECTORS.names())
def test_a_fixed_batch_with_a_last_run_that_is_too_short(selector):
    fixed = mlp()
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    x = RNG.normal(size=(10, 6)).astype(np.float32)
    for target in (None, np.arange(10) % 3, np.ones((10, 3), np.float32)):
        options = {"selector": selector, "target": target, "sparsity": 0.5, **QUICK.get(selector, {})}
        found = pathways(fixed, x, **options)
        expected = pathways(mlp(), x, **options)
        assert len(found) == 10 and same(found, expected)
        assert [p.target for p in found] == [p.target for p in expected]


# ------------------------------------------------------------------------------------------------ what cannot be asked


def test_a_model_without_neurons():
    text = "m (float[n, 6] x) => (float[n, 6] y) { y = MatMul(x, W) }"
    with pytest.raises(OnnxPathError, match=r"no neuron layer: .*`onnxpath inspect MODEL`"):
        pathways(parse(text, W=np.eye(6, dtype=np.float32)), np.ones((1, 6)))


def test_not_a_number_inside_names_the_first_layer():
    nodes = "a = Relu(x); n = Neg(a); s = Sqrt(n); b = Elu(s); m = MatMul(b, W); c = Elu(m); y = MatMul(c, W)"
    model = parse(f"m (float[n, 6] x) => (float[n, 6] y) {{ {nodes} }}", W=np.eye(6, dtype=np.float32))
    for selector in SELECTORS.names():
        with pytest.raises(InputError, match="layer 'b' is the first whose activations hold NaN or Inf"):
            pathways(model, np.ones((2, 6)), selector=selector)


def test_one_row_of_infinity_does_not_pass():
    text = "m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); e = Exp(a); b = Relu(e); y = MatMul(b, W) }"
    x = np.ones((3, 6), np.float32)
    x[1] = 1000
    with pytest.raises(InputError, match="layer 'b'"):
        pathways(parse(text, W=np.eye(6, dtype=np.float32)), x)
