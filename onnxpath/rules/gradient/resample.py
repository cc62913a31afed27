"""Resize: a separable linear map, whose matrix along one axis is the operator applied to an identity matrix."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import Constant, onnx_dtype, rank, same_dim, static_shape
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO

REPEATS = {
    # Coordinate modes and roundings under which an integer factor repeats every pixel.
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("pytorch_half_pixel", "round_prefer_floor"),
    ("pytorch_half_pixel", "round_prefer_ceil"),
}


@gradient("Resize")
def resize(
    op,
    dy,
    y,
    X,
    roi=None,
    scales=None,
    sizes=None,
    *,
    antialias=0,
    axes=None,
    coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75,
    exclude_outside=0,
    extrapolation_value=0.0,
    keep_aspect_ratio_policy="stretch",
    mode="nearest",
    nearest_mode="round_prefer_floor",
):
    scales, sizes = given(scales), given(sizes)
    axes = [a % rank(X) for a in axes] if axes is not None else list(range(rank(X)))
    whole = scales is None or all(whole_size(X, a, entry(scales, i)) for i, a in enumerate(axes))
    if coordinate_transformation_mode == "align_corners" and not whole:
        raise UnsupportedOperator(
            f"Resize '{y.name}' aligns corners by factors that are not known to make whole sizes, for which ONNX and "
            "ONNX Runtime take different pixels; export it with sizes"
        )
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    if not crops and mode == "nearest" and (coordinate_transformation_mode, nearest_mode) in REPEATS:
        factors = repeats(X, y, scales, sizes, axes)
        if factors is not None:
            return sum_repeats(op, dy, X, factors), ZERO, ZERO, ZERO
    attributes = {
        "antialias": antialias,
        "coordinate_transformation_mode": coordinate_transformation_mode,
        "cubic_coeff_a": cubic_coeff_a,
        "exclude_outside": exclude_outside,
        "keep_aspect_ratio_policy": keep_aspect_ratio_policy if sizes is not None else "stretch",
        "mode": mode,
        "nearest_mode": nearest_mode,
    }
    moved = [i for i, a in enumerate(axes) if crops or not kept(X, y, a, entry(scales, i), sizes)]
    joint = attributes["keep_aspect_ratio_policy"] != "stretch" and len(axes) > 1
    dx = dy
    for i in moved:
        if joint:
            m = matrix_beside(op, X, axes, i, roi, sizes, attributes)
        else:
            m = matrix(op, X, axes, i, roi if crops else None, scales, sizes, attributes)
        dx = along(op, dx, m, axes[i])
    dx.shape = list(X.shape)
    # The frame and the factors are not differentiated; a None is refused where that is asked for.
    return dx, None, None, ZERO


def given(t):
    """Return an optional input, None for the empty tensor that exporters write for it."""
    return None if t is None or static_shape(t) == [0] else t


def whole_size(X, axis, scale):
    """True where a factor is known to make a whole size."""
    made = None if scale is None else scale * X.shape[axis] if isinstance(X.shape[axis], int) else scale
    return made is not None and abs(made - round(made)) < 1e-3


def entry(t, i):
    """Return a known entry of a vector, else None."""
    return t.values[i].item() if isinstance(t, Constant) else None


def kept(X, y, axis, scale, sizes):
    """True for an axis that the operator leaves alone."""
    return scale == 1 or (sizes is not None and same_dim(X.shape[axis], y.shape[axis]))


def repeats(X, y, scales, sizes, axes):
    """Return the whole factor of every axis, or None."""
    many, few = static_shape(y), static_shape(X)
    factors = [1] * rank(X)
    for i, axis in enumerate(axes):
        scale = entry(scales, i)
        if sizes is not None and many is not None and few is not None and few[axis]:
            scale = many[axis] / few[axis]
        if sizes is not None and same_dim(X.shape[axis], y.shape[axis]):
            scale = 1
        if scale is None or scale < 1 or scale != int(scale):
            return None
        factors[axis] = int(scale)
    return factors


def sum_repeats(op, dy, X, factors):
    """Sum the copies of every pixel: each axis is seen as (pixels, copies)."""
    pairs = [part for axis, factor in enumerate(factors) for part in (size_of_axis(op, X, axis), op.const([factor]))]
    known = all(isinstance(p, Constant) for p in pairs)
    shape = [p.values.item() for p in pairs] if known else op.Concat(*pairs, axis=0)
    return op.ReduceSum(op.Reshape(dy, shape, allowzero=1), [2 * a + 1 for a in range(rank(X))], keepdims=0)


def matrix(op, X, axes, i, roi, scales, sizes, attributes):
    """Return the matrix [inputs, outputs] of the map along one axis: the operator applied to an identity matrix."""
    picked = [(roi, [i, i + len(axes)]), (scales, [i]), (sizes, [i])]
    inputs = (op.Gather(t, places) if t is not None else None for t, places in picked)
    return op.Resize(identity(op, X, axes[i]), *inputs, axes=[1], **attributes)


def matrix_beside(op, X, axes, i, roi, sizes, attributes):
    """Return the same where one factor, found from all axes together, serves all: these have to be there too."""
    k = len(axes)
    if k > 3:
        raise UnsupportedOperator(
            f"Resize with keep_aspect_ratio_policy over {k} axes has no gradient rule; name the 2 or 3 spatial `axes`"
        )
    places = [size_of_axis(op, X, a) for a in axes]
    line = op.Unsqueeze(identity(op, X, axes[i]), [1, *(2 + j for j in range(k) if j != i)])
    every = op.Expand(line, op.Concat(places[i], [1], *places, axis=0))
    made = op.Resize(every, roi, None, sizes, axes=list(range(2, 2 + k)), **attributes)
    others = [1, *(2 + j for j in range(k) if j != i)]
    return op.Squeeze(op.Slice(made, [0] * k, [1] * k, others), others)


def identity(op, X, axis):
    size = size_of_axis(op, X, axis)
    return op.EyeLike(op.Expand(op.like(0, X), op.Concat(size, size, axis=0)), dtype=onnx_dtype(X))


def size_of_axis(op, X, axis):
    size = X.shape[axis]
    return op.const([size]) if isinstance(size, int) else op.Shape(X, start=axis, end=axis + 1)


def along(op, dy, matrix, axis):
    """Multiply `dy` along one axis with a matrix [inputs, outputs]."""
    n = rank(dy)
    if axis == n - 1:
        return op.MatMul(dy, op.Transpose(matrix, perm=[1, 0]))
    if axis == n - 2:
        return op.MatMul(matrix, dy)
    last = [*(a for a in range(n) if a != axis), axis]
    back = [last.index(a) for a in range(n)]
    return op.Transpose(op.MatMul(op.Transpose(dy, perm=last), op.Transpose(matrix, perm=[1, 0])), perm=back)
