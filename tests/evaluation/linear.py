"""A linear model, whose right attribution is known: relevance of an entry is its weight times its value."""

import numpy as np

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.subject import Subject
from tests.models import parse

SIDE, CLASSES, ROWS = 6, 3, 8


def model(side=SIDE, channels=1, seed=0):
    """x [n, channels, side, side] -> y = W·x + b [n, 3], and W [3, channels, side, side]; positive, so W·x ranks."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, (CLASSES, channels * side * side)).astype(np.float32)
    bias = rng.uniform(0, 0.1, CLASSES).astype(np.float32)
    text = (
        f"linear (float[n, {channels}, {side}, {side}] x) => (float[n, {CLASSES}] y) "
        "{ f = Flatten(x); y = Gemm<transB = 1>(f, W, b) }"
    )
    return parse(text, W=weights, b=bias), weights.reshape(CLASSES, channels, side, side)


def inputs(side=SIDE, channels=1, rows=ROWS, seed=1):
    """Positive rows [rows, channels, side, side]."""
    return np.random.default_rng(seed).uniform(0.2, 1, (rows, channels, side, side)).astype(np.float32)


def subject(**options):
    """The model on its inputs."""
    made, weights = model()
    return Subject.of(made, inputs(), **options), weights


def explanations(given, weights):
    """The perfect, a random and the inverted map of a subject, by name."""
    perfect = weights[given.target.values] * given.x
    noise = np.random.default_rng(2).standard_normal(perfect.shape)
    maps = {"perfect": perfect, "random": noise, "inverted": -perfect}
    return {name: Explanation(name, given, lambda s, m=m: m[: s.rows]) for name, m in maps.items()}
