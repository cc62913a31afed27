"""Sparsity by a rule: what is found keeps it, a thousandth more does not, and it is the same for all rows."""

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import InputError, UnknownName
from onnxpath.pathway.sparsity import search, softmax_of
from tests.models import mlp, run, sample, sample_images


def pathways(model, x, **options):
    return onnxpath.critical_pathway(onnxpath.load(model, providers="cpu"), x, **options)


def mean_change(found):
    return np.mean([abs(p.masked.softmax - p.original.softmax) / p.original.softmax for p in found])


@pytest.mark.parametrize("limit", [0.02, 0.15, 0.5])
@pytest.mark.parametrize("selector", ["neuron-mct", "greedy", "random"])
def test_what_is_found_keeps_the_rule_and_a_thousandth_more_does_not(selector, limit):
    x = sample_images()[:6]
    rule = f"softmax-change<={limit}"
    found = pathways(sample("digits_cnn"), x, selector=selector, sparsity=rule)
    (sparsity,) = {p.sparsity for p in found}
    assert 0 <= sparsity < 1 and all(p.options["sparsity"] == rule for p in found)
    assert mean_change(found) <= limit + 1e-6
    more = pathways(sample("digits_cnn"), x, selector=selector, sparsity=sparsity + 2**-10)
    assert mean_change(more) > limit
    same = pathways(sample("digits_cnn"), x, selector=selector, sparsity=sparsity)
    assert all(p.jaccard(q) == 1 for p, q in zip(found, same, strict=True))


def test_the_change_is_the_mean_over_the_rows_of_all_runs():
    """Runs of one row each are searched together."""
    x = sample_images()[:5]
    model = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    apart = onnxpath.critical_pathway(model, x, sparsity="softmax-change<=0.15")
    together = pathways(sample("digits_cnn"), x, sparsity="softmax-change<=0.15")
    assert len({p.sparsity for p in apart}) == 1 and apart[0].sparsity == together[0].sparsity
    alone = pathways(sample("digits_cnn"), x[:1], sparsity="softmax-change<=0.15")
    assert alone[0].sparsity != together[0].sparsity


def test_a_fixed_batch_counts_its_rows_once():
    fixed = mlp()
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    x = np.random.default_rng(3).normal(size=(6, 6)).astype(np.float32)
    options = {"sparsity": "softmax-change<=0.1", "target": np.arange(6) % 3}
    assert pathways(fixed, x, **options)[0].sparsity == pathways(mlp(), x, **options)[0].sparsity


def test_bisection():
    assert search(lambda s: s, 0.3) == pytest.approx(0.3, abs=2**-10) and search(lambda s: s, 0.3) <= 0.3
    assert search(lambda s: np.nan if s > 0.5 else 0.0, 0.1) == pytest.approx(0.5, abs=2**-10)
    assert search(lambda s: 1.0, 0.5) == 0


def test_softmax_of():
    x = sample_images()[:3]
    logits = run(sample("digits_cnn"), {"image": x})["logits"]
    e = np.exp(logits.astype(np.float64))
    np.testing.assert_allclose(
        softmax_of(logits, np.array([1, 0, 5])), (e / e.sum(1, keepdims=True))[range(3), [1, 0, 5]]
    )


def test_what_cannot_be_asked():
    x = np.ones((2, 6), np.float32)
    for text in ("softmax-change<0.1", "0.9", "softmax<=0.1", "softmax-change<=-1", "softmax-change<=x"):
        with pytest.raises(InputError, match=r"a number from 0 to 1, or a rule such as 'softmax-change<=0.15'"):
            pathways(mlp(), x, sparsity=text)
    for selector in ("dgr", "active-subnet"):
        with pytest.raises(InputError, match=f"selector '{selector}' takes no sparsity"):
            pathways(mlp(), x, selector=selector, sparsity="softmax-change<=0.1")
    with pytest.raises(InputError, match="selector 'greedy' takes no sparsity"):
        pathways(mlp(), x, selector="greedy", variant="released", sparsity="softmax-change<=0.1")
    with pytest.raises(InputError, match="asks for the softmax of a target"):
        pathways(mlp(), x, target=np.ones((2, 3), np.float32), sparsity="softmax-change<=0.1")
    with pytest.raises(InputError, match="asks for the softmax of a target"):
        pathways(mlp(widths=(6, 5, 1)), x, sparsity="softmax-change<=0.1")
    with pytest.raises(UnknownName, match="no scope named 'rows'"):
        pathways(mlp(), x, sparsity="softmax-change<=0.1", scope="rows")
