"""What tests of methods that only run the model share: feature masks, a model of three inputs, exact Shapley values."""

from itertools import permutations

import numpy as np

from tests.models import parse

TARGETS = [3, 0, 9]
WEIGHTS = np.random.default_rng(3)

MASKS = {
    "stripes": (np.arange(256) // 32).reshape(1, 1, 16, 16),
    "numbers with gaps": (np.arange(256) // 64 * 7 + 3).reshape(1, 1, 16, 16),
    "one for each row": np.random.default_rng(2).integers(0, 9, (3, 1, 16, 16)),
    "a single feature": np.zeros((1, 1, 1, 1), int),
}

PAIR = parse(
    """m (float[n, 2, 3] a, float[n, 4] b, int64[n, 1] c) => (float[n, 3] y) {
      f = Flatten(a); d = Cast<to = 1>(c); j = Concat<axis = 1>(f, b, d);
      h = MatMul(j, v); r = Relu(h); y = MatMul(r, w) }
    """,
    v=WEIGHTS.normal(size=(11, 6)).astype(np.float32),
    w=WEIGHTS.normal(size=(6, 3)).astype(np.float32),
)


def pair_feeds(rows=4):
    rng = np.random.default_rng(8)
    return {
        "a": rng.normal(size=(rows, 2, 3)).astype(np.float32),
        "b": rng.normal(size=(rows, 4)).astype(np.float32),
        "c": rng.integers(-3, 4, (rows, 1)),
    }


def exact(score, x, start):
    """Shapley values of a row by all orders of its values."""
    values, orders = np.zeros(len(x)), list(permutations(range(len(x))))
    for order in orders:
        point, before = start.copy(), score(start)
        for i in order:
            point[i] = x[i]
            now = score(point)
            values[i] += now - before
            before = now
    return values / len(orders)
