"""Pooling over regions of interest; the regions are differentiated too, where they move the samples continuously."""

from __future__ import annotations

import numpy as np

from onnxpath.rules.gradient.sample import channels_last, channels_second, linear_taps, neighbours, read, sizes_of
from onnxpath.rules.gradient.table import gradient


@gradient.expansion("RoiAlign")
def roi_align(
    op,
    X,
    rois,
    batch_indices,
    *,
    coordinate_transformation_mode="half_pixel",
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
):
    half = coordinate_transformation_mode == "half_pixel"
    image = op.Gather(X, batch_indices)
    sizes, axes = sizes_of(op, X), []
    for column, size, bins in zip((1, 0), sizes, (output_height, output_width), strict=True):
        start, end = (roi_edge(op, rois, i, spatial_scale, half) for i in (column, column + 2))
        axes.append(roi_samples(op, start, end, bins, size, sampling_ratio, half))
    if mode == "max":
        return roi_max(op, image, axes, sizes)
    # Bilinear weights of a product grid are products, so the average is a matrix on the left and one on the right.
    rows, columns = (roi_weights(op, axis, size) for axis, size in zip(axes, sizes, strict=True))
    return op.MatMul(
        op.MatMul(op.Unsqueeze(rows, [1]), image), op.Unsqueeze(op.Transpose(columns, perm=[0, 2, 1]), [1])
    )


def roi_edge(op, rois, column, scale, half):
    edge = op.Mul(op.Slice(rois, [column], [column + 1], [1]), scale)
    return op.Sub(edge, 0.5) if half else edge


def roi_samples(op, start, end, bins, size, ratio, half):
    """Return along one axis, in a form that broadcasts to [regions, bins, samples]: the places of the samples, clipped
    to the image; 1 where they lie on it; 1 where a region has that many; their weights in the bin's average."""
    length = op.Sub(end, start)
    length = length if half else op.Max(length, 1)
    bin_size = op.Div(length, float(bins))
    if ratio > 0:
        counts, most = op.like(float(ratio), start), op.const(ratio)
    else:
        counts = op.Ceil(bin_size)
        most = op.Max(op.Cast(op.ReduceMax(counts, keepdims=0), to=7), 1)
    counts = op.Max(counts, 1)
    number = op.CastLike(op.Range(0, most, 1), start)
    step = op.Div(op.Add(number, 0.5), counts)  # [regions or 1, samples]
    first = op.Unsqueeze(op.Add(start, op.Mul(op.CastLike(op.Range(0, bins, 1), start), bin_size)), [2])
    at = op.Add(first, op.Mul(op.Unsqueeze(step, [-2]), op.Unsqueeze(bin_size, [2])))
    used = op.CastLike(op.Less(number, counts), start)
    on_image = op.CastLike(op.And(op.GreaterOrEqual(at, -1), op.LessOrEqual(at, size)), start)
    weight = op.Mul(on_image, op.Unsqueeze(op.Div(used, counts), [-2]))
    return op.Clip(at, 0, op.Sub(size, 1)), on_image, op.Unsqueeze(used, [-2]), weight


def roi_weights(op, samples, size):
    """Return the weight of every pixel along one axis for every bin, [regions, bins, size]."""
    at, _, _, weight = samples
    pixels = op.CastLike(op.Range(0, op.Cast(size, to=7), 1), at)
    hat = op.Relu(op.Sub(1, op.Abs(op.Sub(op.Unsqueeze(at, [-1]), pixels))))
    return op.ReduceSum(op.Mul(hat, op.Unsqueeze(weight, [-1])), [2], keepdims=0)


def roi_max(op, image, axes, sizes):
    """Return the largest weighted neighbour over the samples of each bin, which is how ONNX defines the mode."""
    (rows, rows_on, rows_used, _), (columns, columns_on, columns_used, _) = axes
    rows_used, columns_used = (op.Expand(u, op.Shape(t)) for u, t in ((rows_used, rows), (columns_used, columns)))
    down, across = (lambda t: op.Unsqueeze(t, [3, 4])), (lambda t: op.Unsqueeze(t, [1, 2]))
    places = op.Shape(op.Add(down(rows), across(columns)))
    at = [op.Expand(down(rows), places), op.Expand(across(columns), places)]
    on_image = op.Mul(down(rows_on), across(columns_on))
    pixels = channels_last(op, image)
    parts = [
        op.Mul(read(op, pixels, corner, sizes), op.Unsqueeze(op.Mul(weight, on_image), [-1]))
        for corner, weight in neighbours(op, at, linear_taps(op))
    ]
    used = op.Greater(op.Unsqueeze(op.Mul(down(rows_used), across(columns_used)), [-1]), 0)
    return channels_second(op, op.ReduceMax(op.Where(used, op.Max(*parts), -np.inf), [2, 4], keepdims=0))


@gradient.expansion("MaxRoiPool")
def max_roi_pool(op, X, rois, *, pooled_shape, spatial_scale=1.0):
    """Bins have whole pixels as bounds, so that the regions have no gradient; an empty bin is zero."""
    column = [op.Slice(rois, [i], [i + 1], [1]) for i in range(5)]
    image = op.Gather(X, op.Cast(op.Squeeze(column[0], [1]), to=7))
    empty, pooled = [], image
    for start, end, bins, axis in (
        (column[2], column[4], pooled_shape[0], 2),
        (column[1], column[3], pooled_shape[1], 3),
    ):
        taken, none = roi_bins(op, start, end, bins, spatial_scale, op.Shape(X, start=axis, end=axis + 1))
        # [regions, channels, ..., 1, pixels, ...] against [regions, 1, ..., bins, pixels, ...]
        mask = op.Unsqueeze(taken, [1, 4] if axis == 2 else [1, 2])
        pooled = op.ReduceMax(op.Where(mask, op.Unsqueeze(pooled, [axis]), -np.inf), [axis + 1], keepdims=0)
        empty.append(op.Unsqueeze(none, [1, 3] if axis == 2 else [1, 2]))
    return op.Where(op.Or(*empty), 0, pooled)


def roi_bins(op, start, end, bins, scale, size):
    """Return which pixels each bin takes along one axis [regions, bins, size], and which bins take none."""
    # Rounded half away from zero, which op.Round does not.
    start, end = (op.Floor(op.Add(op.Mul(t, scale), 0.5)) for t in (start, end))
    length = op.Max(op.Add(op.Sub(end, start), 1), 1)
    number = op.like(np.arange(bins), start)
    many = op.CastLike(op.Squeeze(size, [0]), start)
    low = op.Add(op.Floor(op.Div(op.Mul(length, number), float(bins))), start)
    high = op.Add(op.Ceil(op.Div(op.Mul(length, op.Add(number, 1)), float(bins))), start)
    low, high = (op.Unsqueeze(op.Clip(t, 0, many), [2]) for t in (low, high))
    pixels = op.CastLike(op.Range(0, op.Squeeze(size, [0]), 1), start)
    return op.And(op.GreaterOrEqual(pixels, low), op.Less(pixels, high)), op.Squeeze(op.GreaterOrEqual(low, high), [2])
