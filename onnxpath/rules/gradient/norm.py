"""Normalisation layers."""

from __future__ import annotations

from onnxpath.graph.ir import onnx_dtype, rank
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("BatchNormalization", several=True)
def batch_normalization(op, dy, y, X, scale, B, input_mean, input_var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    if training_mode:
        return batch_statistics(op, dy, X, scale, epsilon, momentum)
    dy = dy[0]
    column = [-1, *[1] * (rank(X) - 2)]
    others = [0, *range(2, rank(X))]
    inverse = op.Reciprocal(op.Sqrt(op.Add(input_var, epsilon)))
    factor = op.Mul(scale, inverse)
    dX = op.Mul(dy, op.Reshape(factor, column)) if op.wants(0) else None
    total = op.ReduceSum(dy, others, keepdims=0) if op.wants(2) or op.wants(3) else None
    dmean = op.Neg(op.Mul(total, factor)) if op.wants(3) else None
    dscale = dvar = None
    if op.wants(1) or op.wants(4):
        normal = op.Mul(op.Sub(X, op.Reshape(input_mean, column)), op.Reshape(inverse, column))
        dscale = op.ReduceSum(op.Mul(dy, normal), others, keepdims=0)
        dvar = op.Mul(op.Mul(dscale, scale), op.Mul(op.Mul(inverse, inverse), -0.5))
    return dX, dscale, total, dmean, dvar


def batch_statistics(op, dy, X, scale, epsilon, momentum):
    """Training mode: mean and variance are the batch's own, and the running ones come out beside the values."""
    column = [-1, *[1] * (rank(X) - 2)]
    others = [0, *range(2, rank(X))]
    centred = op.Sub(X, op.ReduceMean(X, others))
    inverse = op.Reciprocal(op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), others), epsilon)))
    normal = op.Mul(centred, inverse)
    parts, dscale, dB = [], None, None
    if dy[0] is not None:
        scaled = op.Mul(dy[0], op.Reshape(scale, column))
        along = op.Mul(normal, op.ReduceMean(op.Mul(scaled, normal), others))
        parts.append(op.Mul(op.Sub(op.Sub(scaled, op.ReduceMean(scaled, others)), along), inverse))
        dscale, dB = (op.ReduceSum(t, others, keepdims=0) for t in (op.Mul(dy[0], normal), dy[0]))
    # The running statistics are a mix of the given ones and the mean over all elements of a channel.
    count = op.CastLike(op.Div(op.Size(X), op.Size(scale)), X)
    of_mean, of_variance = (
        op.Div(op.Reshape(d, column), count) if d is not None else None for d in dy[1:3] + (None,) * (3 - len(dy))
    )
    if of_mean is not None:
        parts.append(op.Expand(op.Mul(of_mean, 1 - momentum), op.shape_of(X)))
    if of_variance is not None:
        parts.append(op.Mul(op.Mul(of_variance, 2 * (1 - momentum)), centred))
    given = [op.Mul(d, momentum) if d is not None else ZERO for d in (*dy[1:3], None, None)[:2]]
    return op.sum(parts), dscale or ZERO, dB or ZERO, *given


@gradient("LayerNormalization", broadcasts=True, several=True)
def layer_normalization(op, dy, y, X, Scale, B=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    dy, *further = dy
    dy = dy if dy is not None else op.zeros_like(X)
    axes = list(range(axis % rank(X), rank(X)))
    # The node's own Mean and InvStdDev are float32 even for a float64 model, so they are computed anew.
    x, g, scale = (in_dtype(op, t, accumulator(X, stash_type)) for t in (X, dy, Scale))
    centred = op.Sub(x, op.ReduceMean(x, axes))
    inverse = op.Reciprocal(op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), axes), epsilon)))
    normal = op.Mul(centred, inverse)
    dX = dScale = None
    if op.wants(0):
        scaled = op.Mul(g, scale)
        along = op.Mul(normal, op.ReduceMean(op.Mul(scaled, normal), axes))
        dX = op.Mul(op.Sub(op.Sub(scaled, op.ReduceMean(scaled, axes)), along), inverse)
        dX = op.sum([dX, *statistics_grads(op, further, x, axes, normal, inverse)])
        dX = in_dtype(op, dX, onnx_dtype(X))
    if op.wants(1):
        dScale = in_dtype(op, op.Mul(g, normal), onnx_dtype(Scale))
    return dX, dScale, dy


def statistics_grads(op, further, x, axes, normal, inverse):
    """Return what comes back to x through the outputs Mean and InvStdDev."""
    mean, deviation = (in_dtype(op, d, onnx_dtype(x)) if d is not None else None for d in (*further, None, None)[:2])
    if mean is None and deviation is None:
        return []
    count = op.ReduceSum(op.Expand(op.like(1, x), op.shape_of(x)), axes)
    parts = []
    if mean is not None:
        parts.append(op.Expand(op.Div(mean, count), op.shape_of(x)))
    if deviation is not None:
        # d(1/s)/dx = -(x - mean) / (n s^3)
        parts.append(op.Neg(op.Mul(op.Mul(normal, op.Mul(inverse, inverse)), op.Div(deviation, count))))
    return parts


def normalized(op, x, axes, epsilon):
    """Return x without its mean, over the root of its variance."""
    centred = op.Sub(x, op.ReduceMean(x, axes))
    return op.Div(centred, op.Sqrt(op.Add(op.ReduceMean(op.Mul(centred, centred), axes), epsilon)))


def per_channel(op, t, x):
    """Return one value per channel in the form that broadcasts over [rows, channels, ...]."""
    return op.Reshape(t, [-1, *[1] * (rank(x) - 2)])


@gradient.expansion("InstanceNormalization")
def instance_normalization(op, input, scale, B, *, epsilon=1e-5):
    normal = normalized(op, input, list(range(2, rank(input))), epsilon)
    return op.Add(op.Mul(normal, per_channel(op, scale, input)), per_channel(op, B, input))


@gradient.expansion("GroupNormalization")
def group_normalization(op, X, scale, bias, *, epsilon=1e-5, num_groups, stash_type=1):
    wide = accumulator(X, stash_type)
    groups = op.Reshape(in_dtype(op, X, wide), [0, num_groups, -1])
    normal = in_dtype(op, op.reshape_like(normalized(op, groups, [2], epsilon), X), onnx_dtype(X))
    return op.Add(op.Mul(normal, per_channel(op, scale, X)), per_channel(op, bias, X))


@gradient.expansion("RMSNormalization")
def rms_normalization(op, X, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    x = in_dtype(op, X, accumulator(X, stash_type))
    square = op.ReduceMean(op.Mul(x, x), list(range(axis % rank(X), rank(X))))
    return op.Mul(in_dtype(op, op.Div(x, op.Sqrt(op.Add(square, epsilon))), onnx_dtype(X)), scale)


@gradient.expansion("MeanVarianceNormalization")
def mean_variance_normalization(op, X, *, axes=(0, 2, 3)):
    centred = op.Sub(X, op.ReduceMean(X, list(axes)))
    deviation = root(op, op.ReduceMean(op.Mul(centred, centred), list(axes)))
    return op.Div(centred, op.Add(deviation, 1e-9))


def root(op, x):
    """Return the square root, with a derivative of zero at zero."""
    zero = op.Equal(x, 0)
    return op.Where(zero, 0, op.Sqrt(op.Where(zero, 1, x)))


@gradient.expansion("LpNormalization")
def lp_normalization(op, input, *, axis=-1, p=2):
    norm = op.ReduceL2(input, [axis]) if p == 2 else op.ReduceL1(input, [axis])
    return op.Div(input, op.Where(op.Equal(norm, 0), 1, norm))


@gradient.expansion("LRN")
def local_response_normalization(op, X, *, alpha=1e-4, beta=0.75, bias=1.0, size):
    before, after = (size - 1) // 2, size // 2
    padded = op.Pad(op.Mul(X, X), [before, after], None, [1])
    # Slices, since the CPU has no float64 kernel of AveragePool, and windows are short.
    parts = [op.Slice(padded, [i], [i - size + 1 if i + 1 < size else 2**31], [1]) for i in range(size)]
    return op.Mul(X, op.Pow(op.Add(op.Mul(op.sum(parts), alpha / size), bias), op.like(-beta, X)))
