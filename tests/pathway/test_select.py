"""The cut against its definition, written out slowly."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnxpath.errors import InputError, UnknownName
from onnxpath.pathway import select as module
from onnxpath.pathway.select import select


def slow(rows, sparsity):
    """Masks of one row per list of layers: k = round((1 - s) N), tau the (k+1)-th largest, kept what is above."""
    masks = []
    for layers in rows:
        pooled = sorted((value for layer in layers for value in layer), reverse=True)
        keep = round((1 - sparsity) * len(pooled))
        tau = pooled[keep] if keep < len(pooled) else float("-inf")
        masks.append([[value > tau for value in layer] for layer in layers])
    return masks


def as_arrays(rows):
    return {f"layer {i}": np.array([row[i] for row in rows], np.float32) for i in range(len(rows[0]))}


@st.composite
def problems(draw):
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    # Few values: most scores of a ReLU network are exactly zero, and ties are where cuts go wrong.
    values = draw(st.sampled_from([st.integers(0, 3), st.just(0), st.floats(0, 2.0**100, width=32)]))
    row = st.tuples(*(st.lists(values, min_size=n, max_size=n) for n in sizes))
    rows = draw(st.lists(row, min_size=1, max_size=3))
    count = sum(sizes)
    kept = st.integers(0, count).map(lambda k: 1 - k / count)
    return rows, draw(st.one_of(kept, st.floats(0, 1)))


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from([(2**14, 256), (4, 1), (7, 0)]))
def test_the_cut_is_its_definition(problem, sampling):
    rows, sparsity = problem
    with mock.patch.multiple(module, SAMPLE=sampling[0], SLACK=sampling[1]):
        found = select(as_arrays(rows), sparsity)
    for row, expected in enumerate(slow(as_float32(rows), sparsity)):
        assert [mask[row].tolist() for mask in found.values()] == expected


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_cut_by_layer_is_the_cut_of_each_layer(problem):
    rows, sparsity = problem
    found = select(as_arrays(rows), sparsity, "layer")
    for index, mask in enumerate(found.values()):
        expected = slow([[row[index]] for row in as_float32(rows)], sparsity)
        assert mask.tolist() == [masks[0] for masks in expected]


def as_float32(rows):
    return [[[float(np.float32(v)) for v in layer] for layer in row] for row in rows]


@pytest.mark.parametrize("kind", ["mostly zero", "dense", "few values", "one layer far above"])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.79, 0.9, 0.99, 1.0])
def test_large_scores_where_the_sample_matters(kind, sparsity):
    rng = np.random.default_rng(8)
    parts = [rng.exponential(size=(2, n)).astype(np.float32) for n in (60_000, 5, 30_000)]
    if kind == "mostly zero":
        parts = [p * (rng.random(p.shape) < 0.21) for p in parts]
    elif kind == "few values":
        parts = [np.floor(p) for p in parts]
    elif kind == "one layer far above":
        parts[2] += 1000
    scores = {str(i): p.reshape(2, -1, 5) for i, p in enumerate(parts)}
    found = select(scores, sparsity)
    for row in range(2):
        pooled = np.sort(np.concatenate([p[row] for p in parts]))[::-1]
        keep = round((1 - sparsity) * len(pooled))
        tau = pooled[keep] if keep < len(pooled) else -np.inf
        for name, p in zip(found, parts, strict=True):
            np.testing.assert_array_equal(found[name][row].reshape(-1), p[row] > tau)


def test_shapes_dtypes_and_scores_stay():
    scores = {"a": np.random.default_rng(0).random((2, 3, 4)), "b": np.ones((2, 5), np.float32)}
    before = {k: v.copy() for k, v in scores.items()}
    found = select(scores, 0.5)
    assert {k: (v.shape, v.dtype) for k, v in found.items()} == {"a": ((2, 3, 4), bool), "b": ((2, 5), bool)}
    assert all((scores[k] == before[k]).all() for k in scores)


def test_ends():
    scores = {"a": np.float32([[0, 1, 2, 0]])}
    assert select(scores, 0.0)["a"].all()
    assert not select(scores, 1.0)["a"].any()
    # Two zeros tie at the cut: all pruned, so fewer than asked are kept.
    assert select(scores, 0.25)["a"].tolist() == [[False, True, True, False]]


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, float("nan"), 90])
def test_sparsities_that_are_no_fraction(sparsity):
    with pytest.raises(InputError, match="sparsity is the fraction of neurons pruned, 0 to 1; "):
        select({"a": np.ones((1, 2))}, sparsity)


def test_unknown_scopes():
    with pytest.raises(UnknownName, match=r"no scope named 'layers'; did you mean 'layer'\?"):
        select({"a": np.ones((1, 2))}, 0.5, "layers")
