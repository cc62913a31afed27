"""The threshold, which guesses from a sample, against sorting everything."""

import numpy as np
import pytest

from onnxpath.pathway.select import SAMPLE, threshold

SHAPES_OF_SCORES = {
    "continuous": lambda v, rng: v,
    "mostly zero": lambda v, rng: v * (rng.random(len(v)) < 0.2),
    "rounded": lambda v, rng: v.round(1),
    "all zero": lambda v, rng: v * 0,
    "saturated": lambda v, rng: np.minimum(v, 1),
    "sorted, so that a sample by stride is as good as it gets": lambda v, rng: np.sort(v),
    "large at every hundredth place, so that a sample by stride misleads": lambda v, rng: (
        v * (np.arange(len(v)) % 100 == 0)
    ),
}


@pytest.mark.parametrize("sizes", [[1], [7, 1, 30], [5 * SAMPLE, 999]], ids=str)
@pytest.mark.parametrize("shape", SHAPES_OF_SCORES.values(), ids=SHAPES_OF_SCORES.keys())
@pytest.mark.parametrize("share", [0, 0.005, 0.1, 0.5, 0.95, 1])
def test_threshold_is_that_of_sorting(sizes, shape, share):
    rng = np.random.default_rng(len(sizes))
    parts = [shape(np.abs(rng.standard_normal(size)).astype(np.float32), rng) for size in sizes]
    keep = round(share * sum(sizes))
    ranked = np.sort(np.concatenate(parts))[::-1]
    expected = ranked[keep] if keep < len(ranked) else -np.inf
    assert threshold(parts, sum(sizes), keep) == expected
