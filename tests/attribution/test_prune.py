"""PruneGrad and PruneInt: the first order is the pathway gradient; the ascent against a plain one, and its ball."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from tests.models import cosine, mlp, parse, relative, run, sample, sample_images


def attribute(model, x, method, **options):
    return onnxpath.attribute(onnxpath.load(model, providers="cpu"), x, method=method, **options)


def lengths(values):
    return np.linalg.norm(values.reshape(len(values), -1).astype(np.float64), axis=1)


@pytest.mark.parametrize(("method", "selector"), [("prunegrad", "neuron-mct"), ("pruneint", "neuron-intgrad")])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_first_order_is_the_pathway_gradient(method, selector, scope):
    x = sample_images()[:4]
    found = attribute(sample("digits_cnn"), x, method, sparsity=0.8, scope=scope)
    expected = attribute(sample("digits_cnn"), x, "pathway-gradient", selector=selector, sparsity=0.8, scope=scope)
    np.testing.assert_array_equal(found.values, expected.values)
    assert all(p.jaccard(q) == 1 for p, q in zip(found.pathways, expected.pathways, strict=True))


@pytest.mark.parametrize("method", ["prunegrad", "pruneint"])
def test_one_short_step_goes_along_the_pathway_gradient(method):
    x = sample_images()[:4]
    gradient = attribute(sample("digits_cnn"), x, method).values
    step = attribute(sample("digits_cnn"), x, method, perturbation="pgd", n_iterations=1, step=0.25).values
    np.testing.assert_allclose(lengths(step), 0.25, rtol=1e-5)
    assert min(cosine(a, b) for a, b in zip(gradient, step, strict=True)) > 0.999999


@pytest.mark.needs("torch")
def test_the_ascent_is_that_of_torch():
    import torch

    from tests.pathway.torch_oracle import input_gradient

    x = sample_images()[:3]
    options = {"perturbation": "pgd", "sparsity": 0.8, "radius": 2.0, "step": 0.5, "n_iterations": 7}
    found = attribute(sample("digits_cnn"), x, "prunegrad", **options)
    masks = [torch.tensor(np.stack([p.masks[k] for p in found.pathways])) for k in found.pathways[0].masks]
    moved = np.zeros_like(x)
    for _ in range(7):
        grad = input_gradient("digits_cnn", x + moved, found.target, lambda call, a: a * masks[call])
        moved += 0.5 * grad / lengths(grad).reshape(-1, 1, 1, 1)
        moved *= np.minimum(1, 2.0 / lengths(moved)).reshape(-1, 1, 1, 1)
    assert relative(found.values, moved) <= 1e-3
    np.testing.assert_allclose(lengths(found.values), 2.0, rtol=1e-5)


def test_the_pruned_network_answers_more():
    x = sample_images()[:4]
    found = attribute(sample("digits_cnn"), x, "prunegrad", perturbation="pgd", radius=3.0, step=0.5, n_iterations=10)
    masks = {f"mask_{k}": np.stack([p.masks[k] for p in found.pathways]) for k in found.pathways[0].masks}
    masked = onnxpath.insert_masks(sample("digits_cnn"))
    fed = {k: v.astype(np.float32) for k, v in masks.items()}
    before, after = (run(masked, {"image": v, **fed})["logits"] for v in (x, x + found.values))
    rows = np.arange(4)
    assert np.all(after[rows, found.target] > before[rows, found.target])
    assert "10 steps of 0.5 within 3 of the input (L2, in units of the model's input)" in " ".join(found.notes)


def test_a_linear_network_has_its_optimum_on_the_gradient():
    """All ReLUs are on: fifty steps go straight, and end on the sphere."""
    w = np.random.default_rng(3).uniform(0.1, 1, (6, 6)).astype(np.float32)
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { z = MatMul(x, W); a = Relu(z); y = MatMul(a, W) }", W=w)
    x = np.ones((2, 6), np.float32)
    options = {"target": [1, 4], "sparsity": 0.0}
    gradient = attribute(model, x, "prunegrad", **options).values
    found = attribute(model, x, "prunegrad", perturbation="pgd", radius=5.0, step=1.0, **options).values
    expected = 5 * gradient / lengths(gradient)[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_several_inputs_share_the_ball():
    text = "m (float[n, 4] a, float[n, 4] b) => (float[n, 2] y) { s = Add(a, b); r = Relu(s); y = MatMul(r, W) }"
    model = parse(text, W=np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32))
    x = [np.ones((2, 4), np.float32), np.ones((2, 4), np.float32)]
    found = attribute(model, x, "prunegrad", perturbation="pgd", sparsity=0.0, n_iterations=1, step=1.0)
    total = np.concatenate([v for v in found.values.values()], axis=1)
    np.testing.assert_allclose(lengths(total), 1, rtol=1e-5)


def test_token_ids_are_moved_at_their_embedding():
    nodes = "e = Gather(T, ids); r = Relu(e); s = ReduceMean <keepdims = 0> (r, ax); y = MatMul(s, W)"
    text = f"m (int64[n, 3] ids) => (float[n, 2] y) {{ {nodes} }}"
    rng = np.random.default_rng(2)
    arrays = {"T": rng.normal(size=(9, 4)).astype(np.float32), "W": rng.normal(size=(4, 2)).astype(np.float32)}
    model = parse(text, ax=np.int64([1]), **arrays)
    ids, options = np.int64([[1, 2, 3], [4, 5, 6]]), {"sparsity": 0.5}
    gradient = attribute(model, ids, "prunegrad", **options).values
    found = attribute(model, ids, "prunegrad", perturbation="pgd", n_iterations=1, step=0.25, **options).values
    assert found.shape == (2, 3, 4)
    np.testing.assert_allclose(found, 0.25 * gradient / lengths(gradient)[:, None, None], rtol=1e-5)


@pytest.mark.parametrize("perturbation", ["gradient", "pgd"])
def test_a_rule_finds_the_sparsity(perturbation):
    options = {"perturbation": perturbation, "n_iterations": 2, "sparsity": "softmax-change<=0.15"}
    found = attribute(sample("digits_cnn"), sample_images()[:4], "prunegrad", **options)
    assert len({p.sparsity for p in found.pathways}) == 1 and found.pathways[0].sparsity > 0.5
    assert any("softmax-change<=0.15 allows a sparsity of 0." in note for note in found.notes)


def test_what_cannot_be_asked():
    x = np.ones((1, 6), np.float32)
    with pytest.raises(UnknownName, match=r"no perturbation named 'fgsm'(.|\n)*gradient, pgd"):
        attribute(mlp(), x, "prunegrad", perturbation="fgsm")
    with pytest.raises(InputError, match="an ascent needs a radius and a step above 0"):
        attribute(mlp(), x, "pruneint", perturbation="pgd", radius=0)
