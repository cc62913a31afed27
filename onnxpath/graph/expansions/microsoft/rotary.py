"""RotaryEmbedding of com.microsoft."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.microsoft.heads import join_heads, last_size, split_heads
from onnxpath.graph.ir import rank

PAIRS = "turn its features in pairs"


@expansion("com.microsoft", "RotaryEmbedding")
def rotary_embedding(
    op, input, position_ids, cos_cache, sin_cache, *,
    num_heads=0, rotary_embedding_dim=0, interleaved=0, is_packed_batching=0, scale=1.0,
):  # fmt: skip
    """Split into heads, turn each pair of features by the angle of its position."""
    if is_packed_batching or scale != 1:
        raise UnsupportedOperator("RotaryEmbedding with is_packed_batching or scale is not spelled out")
    x = input
    if rank(input) == 3:
        heads = num_heads or last_size(input, PAIRS) // (2 * last_size(cos_cache, PAIRS))
        x = split_heads(op, input, heads)
    if rank(position_ids) == 1:
        position_ids = op.Unsqueeze(op.Add(position_ids, op.places(x, 2)), [0])
    turned = rotate(op, x, position_ids, cos_cache, sin_cache, bool(interleaved))
    return join_heads(op, turned, last_size(input, PAIRS)) if rank(input) == 3 else turned


def rotate(op, x, positions, cos_cache, sin_cache, interleaved):
    """Turn the features of x [N, heads, T, size] by their positions [N, T].

    cos_cache, sin_cache: [places, half], which turn the first 2 · half features; the others stay. interleaved: a pair
    are neighbours, else features half apart.
    """
    size, half = last_size(x, PAIRS), last_size(cos_cache, PAIRS)
    cos, sin = (op.Unsqueeze(op.Gather(cache, positions), [1]) for cache in (cos_cache, sin_cache))
    turning, rest = x, None
    if size > 2 * half:
        turning, rest = op.Split(x, [2 * half, size - 2 * half], axis=-1, outputs=2)
    if interleaved:
        pairs = op.Reshape(turning, [0, 0, 0, half, 2])
        a, b = (op.Squeeze(t, [4]) for t in op.Split(pairs, axis=4, num_outputs=2, outputs=2))
    else:
        a, b = op.Split(turning, axis=-1, num_outputs=2, outputs=2)
    real, imaginary = op.Sub(op.Mul(cos, a), op.Mul(sin, b)), op.Add(op.Mul(sin, a), op.Mul(cos, b))
    if interleaved:
        both = op.Concat(op.Unsqueeze(real, [4]), op.Unsqueeze(imaginary, [4]), axis=4)
        turned = op.Reshape(both, [0, 0, 0, 2 * half])
    else:
        turned = op.Concat(real, imaginary, axis=3)
    return turned if rest is None else op.Concat(turned, rest, axis=3)
