"""What the attention operators of com.microsoft have in common."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from onnxpath.errors import ShapeError, UnsupportedOperator
from onnxpath.graph.ir import numpy_dtype, rank


def last_size(x, why):
    """Return the last size of x; ShapeError that says why it must be known."""
    size = x.shape[-1] if x.shape else None
    if not isinstance(size, int):
        raise ShapeError(f"the last size of '{x.name}' must be known to {why}")
    return size


def split_heads(op, x, heads):
    """Return x [N, T, heads · size] as [N, heads, T, size]."""
    size = x.shape[-1] if x.shape else None
    return op.Transpose(op.Reshape(x, [0, 0, heads, size // heads if isinstance(size, int) else -1]), perm=[0, 2, 1, 3])


def join_heads(op, x, size=-1):
    """Return x [N, heads, T, size] as [N, T, heads · size]."""
    sizes = (x.shape[1], x.shape[3]) if x.shape else (None, None)
    if all(isinstance(s, int) for s in sizes):
        size = math.prod(sizes)
    return op.Reshape(op.Transpose(x, perm=[0, 2, 1, 3]), [0, 0, size])


def concatenate(op, past, x):
    """Return the keys or values [N, heads, T, size] behind those of the cache, where there is one."""
    return x if past is None else op.Concat(past, x, axis=2)


def attend(op, q, k, v, scale, terms, shown=None):
    """Return softmax(scale · q kᵀ + terms) v, and the softmax.

    q [N, heads, S, size], k, v [N, heads, T, size]; scale: 0 stands for 1 / sqrt(size); terms: tensors or None that
    broadcast to [N, heads, S, T]; shown: which keys a query may see, bool, broadcasting likewise, None for all.
    """
    if not scale:
        size = q.shape[-1] if isinstance(q.shape[-1], int) else k.shape[-1]
        if not isinstance(size, int):
            raise ShapeError(f"the size of a head of '{q.name}' must be known, because attention divides by its root")
        scale = size**-0.5
    scores = op.MatMul(op.Mul(q, scale), op.Transpose(k, perm=[0, 1, 3, 2]))
    for term in terms:
        scores = scores if term is None else op.Add(scores, term)
    if shown is not None:
        scores = op.Where(shown, scores, op.like(float(np.finfo(numpy_dtype(q)).min), q))
    weights = op.Softmax(scores, axis=-1)
    return op.MatMul(weights, v), weights


def seen_before(op, q, k):
    """Return bool [S, T]: a query sees the keys up to its own place, the last query all of them."""
    behind = op.Sub(op.Shape(k, start=2, end=3), op.Shape(q, start=2, end=3))
    return op.LessOrEqual(op.places(k, 2), op.Unsqueeze(op.Add(op.places(q, 2), behind), [1]))


def masked_places(op, mask, k, filter_value):
    """Return what a mask adds to the scores, broadcasting to [N, heads, S, T]: filter_value where it hides a key.

    mask: None; 1 for a key that counts as [N, T] or [N, S, T]; ends of the rows as [N], or ends and starts as [2 N].
    Raises UnsupportedOperator for other forms.
    """
    if mask is None:
        return None
    if rank(mask) == 1:
        shown = _between_ends(op, mask, k)
    elif rank(mask) in (2, 3):
        shown = op.Unsqueeze(op.Greater(mask, op.like(0, mask)), [1, 2] if rank(mask) == 2 else [1])
    else:
        raise UnsupportedOperator(
            f"the attention mask '{mask.name}' has rank {rank(mask)}, a form that is not spelled out; "
            "save the model at optimisation level BASIC"
        )
    return op.Where(shown, op.like(0, k), op.like(filter_value, k))


def _between_ends(op, mask, k):
    rows, given = k.shape[0], mask.shape[0]
    if isinstance(rows, int) and isinstance(given, int) and given not in (rows, 2 * rows):
        raise UnsupportedOperator(
            f"the attention mask '{mask.name}' has {given} entries for {rows} rows, a form that is not spelled out"
        )
    count = op.Shape(k, start=0, end=1)
    # Without starts the rows begin at 0; whether there are any may be known at run time only.
    none = op.Expand(op.const(0, np.int64), count)
    both = op.Concat(op.Cast(mask, to=TensorProto.INT64), none, axis=0)
    ends, starts = op.Slice(both, [0], count, [0]), op.Slice(both, count, op.Add(count, count), [0])
    here = op.places(k, 2)
    before_end = op.Less(here, op.Unsqueeze(ends, [1]))
    return op.Unsqueeze(op.And(before_end, op.GreaterOrEqual(here, op.Unsqueeze(starts, [1]))), [1, 2])
