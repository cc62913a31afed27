"""Input degradation once more, row by row and step by step, as plainly as can be."""

import math

import numpy as np

from tests.models import input_name, run


def score(model, x, target, kind="softmax"):
    """The target's probability or logit of one row [...]."""
    (logits,) = run(model, {input_name(model): x[None]}).values()
    logits = logits[0].astype(np.float64)
    if kind == "logit":
        return logits[target]
    powers = np.exp(logits - logits.max())
    return powers[target] / powers.sum()


def ordered(ranking, most_first):
    """Positions of [H, W] from first to last; ties in reading order."""
    flat = ranking.ravel().tolist()
    return sorted(range(len(flat)), key=lambda i: (-flat[i] if most_first else flat[i], i))


def without(x, order, count, replacement):
    """A row [C, H, W] with its first positions replaced by a number per channel."""
    changed = x.copy()
    for place in order[:count]:
        y, column = divmod(place, x.shape[2])
        for channel in range(len(x)):
            changed[channel, y, column] = replacement[channel]
    return changed


def relative_changes(model, x, target, ranking, percents, replacement, most_first, kind="softmax"):
    """|p − p(q)| / p of one row at each percentage."""
    order = ordered(ranking, most_first)
    whole = score(model, x, target, kind)
    counts = [math.floor(q * ranking.size / 100) for q in percents]
    return [abs(whole - score(model, without(x, order, c, replacement), target, kind)) / abs(whole) for c in counts]


def trapezoid(values, at):
    """Area under a polygon."""
    return sum((b - a) * (u + v) / 2 for a, b, u, v in zip(at, at[1:], values, values[1:], strict=False))
