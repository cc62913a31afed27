"""Rotary position embedding."""

from __future__ import annotations

from onnxpath.graph.ir import rank
from onnxpath.rules.gradient.table import gradient


@gradient.expansion("RotaryEmbedding")
def rotary_embedding(
    op, X, cos_cache, sin_cache, position_ids=None, *, interleaved=0, num_heads=None, rotary_embedding_dim=0
):
    """Turn pairs of numbers by the angles of their position; what lies behind the rotated part stays."""
    heads = op.Reshape(X, [0, 0, num_heads, -1]) if rank(X) == 3 else op.Transpose(X, perm=[0, 2, 1, 3])
    turned, rest = heads, None
    if rotary_embedding_dim:
        turned = op.Slice(heads, [0], [rotary_embedding_dim], [-1])
        rest = op.Slice(heads, [rotary_embedding_dim], [2**31], [-1])
    cos, sin = (
        op.Unsqueeze(op.Gather(t, position_ids) if position_ids is not None else t, [2]) for t in (cos_cache, sin_cache)
    )
    first, second = pairs(op, turned, interleaved)
    made = [op.Sub(op.Mul(first, cos), op.Mul(second, sin)), op.Add(op.Mul(first, sin), op.Mul(second, cos))]
    if interleaved:
        joined = op.reshape_like(op.Concat(*(op.Unsqueeze(t, [-1]) for t in made), axis=-1), turned)
    else:
        joined = op.Concat(*made, axis=-1)
    whole = op.Concat(joined, rest, axis=-1) if rest is not None else joined
    return op.reshape_like(whole, X) if rank(X) == 3 else op.Transpose(whole, perm=[0, 2, 1, 3])


def pairs(op, x, interleaved):
    """Return the first and the second number of every pair along the last axis: neighbours, or its two halves."""
    if interleaved:
        return (op.Slice(x, [i], [2**31], [-1], [2]) for i in (0, 1))
    return op.Split(x, outputs=2, axis=-1, num_outputs=2)
