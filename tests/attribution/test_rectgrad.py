"""RectGrad by hand, and row by row."""

import numpy as np
import pytest

from onnxpath.errors import InputError
from tests.attribution.shared import attribute
from tests.models import parse, sample, sample_images


def test_rectgrad_by_hand():
    """One layer: of a·R = (3, 0, 8, 0.5, 2) the 60th percentile lies between 2 and 3, and two units pass."""
    model = parse(
        "m (float[n, 5] x) => (float[n, 1] y) { a = Relu(x); y = MatMul(a, W) }",
        W=np.float32([[1], [9], [2], [1], [4]]),
    )
    x = np.float32([[3, -1, 4, 0.5, 0.5]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=60).values, [[3, 0, 8, 0, 0]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=75).values, [[0, 0, 8, 0, 0]])
    np.testing.assert_allclose(attribute(model, x, "rectgrad", 0, q=100).values, np.zeros((1, 5)))
    with pytest.raises(InputError, match="q is a percentile, between 0 and 100; 101 was given"):
        attribute(model, x, "rectgrad", 0, q=101)


def test_rectgrad_ranks_rows_by_themselves_wherever_they_are():
    """Rows on another axis, and sizes that are known at run time only."""
    # Its own draws: how many places pass depends on them, and shared ones on which tests came before.
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(4, 3)).astype(np.float32)}
    plain = parse("m (float[n, t, 4] x) => (float[n, t, 3] y) { a = Relu(x); y = MatMul(a, W) }", **weights)
    turned = parse(
        "m (float[n, t, 4] x) => (float[n, t, 3] y) { u = Transpose<perm = [1, 0, 2]>(x); a = Relu(u); "
        "v = MatMul(a, W); y = Transpose<perm = [1, 0, 2]>(v) }",
        **weights,
    )
    x = rng.normal(size=(3, 7, 4)).astype(np.float32) * np.float32([1, 10, 100])[:, None, None]
    everything = np.ones((3, 7, 3), np.float32)
    found, other = (attribute(m, x, "rectgrad", everything, q=80) for m in (plain, turned))
    assert all(2 <= np.count_nonzero(row) <= 6 for row in found.values)
    np.testing.assert_allclose(found.values, other.values, rtol=1e-5)
    alone = attribute(plain, x[1:2], "rectgrad", everything[:1], q=80)
    np.testing.assert_allclose(found.values[1:2], alone.values, rtol=1e-5)


def test_rectgrad_without_a_rectifier_says_so():
    found = attribute(sample("digits_vit"), sample_images()[:1], "rectgrad")
    assert any("no Relu or Clip" in note for note in found.notes)
