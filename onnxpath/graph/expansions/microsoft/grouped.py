"""GroupQueryAttention of com.microsoft."""

from __future__ import annotations

from onnx import TensorProto

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.microsoft.heads import attend, join_heads, last_size, split_heads
from onnxpath.graph.expansions.microsoft.rotary import rotate

NONE = {"causal": 1, "k_quant_type": "NONE", "v_quant_type": "NONE"}
"""What an attribute that is not spelled out must be, where that is not 0 or less."""


@expansion("com.microsoft", "GroupQueryAttention")
def group_query_attention(
    op, query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache=None, sin_cache=None,
    position_ids=None, attention_bias=None, *further,
    num_heads, kv_num_heads, scale=0.0, do_rotary=0, rotary_interleaved=0, local_window_size=-1, **others,
):  # fmt: skip
    """Split into heads, RotaryEmbedding, causal attention in which several queries share a key, with a cache."""
    _check(others, [position_ids, *further])
    size = last_size(query, "divide it into heads") // (num_heads + 2 * kv_num_heads * (key is None))
    if key is None:
        sizes = [num_heads * size, kv_num_heads * size, kv_num_heads * size]
        query, key, value = op.Split(query, sizes, axis=-1, outputs=3)
    q, k, v = (
        split_heads(op, query, num_heads),
        split_heads(op, key, kv_num_heads),
        split_heads(op, value, kv_num_heads),
    )
    total = op.Reshape(op.Cast(total_sequence_length, to=TensorProto.INT64), [1])
    held = op.Unsqueeze(op.Add(op.Cast(seqlens_k, to=TensorProto.INT64), 1), [1])
    cached = _cached(op, q, held, total)
    own = op.Add(cached, op.places(q, 2))
    if do_rotary:
        q, k = (rotate(op, t, own, cos_cache, sin_cache, bool(rotary_interleaved)) for t in (q, k))
    k, v = _joined(op, past_key, k, cached, total), _joined(op, past_value, v, cached, total)
    keys, values = (_repeated(op, op.Slice(t, [0], total, [2]), kv_num_heads, num_heads, size) for t in (k, v))
    here, own = op.places(keys, 2), op.Unsqueeze(own, [1, 3])
    shown = op.And(op.LessOrEqual(here, own), op.Less(here, op.Unsqueeze(held, [2, 3])))
    if local_window_size > 0:
        shown = op.And(shown, op.Greater(here, op.Sub(own, local_window_size)))
    y, _ = attend(op, q, keys, values, scale, [attention_bias], shown)
    return join_heads(op, y, num_heads * size), k, v


def _check(attributes, inputs):
    off = {n: v == NONE[n] if n in NONE else v <= 0 or n == "qk_norm_epsilon" for n, v in attributes.items()}
    wrong = [f"{name} = {attributes[name]}" for name, is_off in off.items() if not is_off]
    if any(t is not None for t in inputs):
        wrong.append("position_ids or an input behind attention_bias")
    if wrong:
        raise UnsupportedOperator(
            f"GroupQueryAttention with {', '.join(wrong)} is not spelled out; export the model without it"
        )


def _cached(op, q, held, total):
    """Return how many of the keys that a row holds come from the cache, [N, 1]: none where all keys are new ones."""
    new = op.Shape(q, start=2, end=3)
    return op.Where(op.Equal(total, new), op.const(0), op.Sub(held, new))


def _joined(op, past, x, cached, total):
    """Return the cache [N, heads, T, size] with the new keys or values put behind each row's own."""
    if past is None or (past.shape is not None and past.shape[2] == 0):
        return x
    length = op.Max(op.Shape(past, start=2, end=3), total)
    both = op.Concat(past, x, axis=2)
    slots = op.Range(op.const(0), op.Squeeze(length, [0]), op.const(1))
    new = op.Sub(op.Add(slots, op.Shape(past, start=2, end=3)), cached)
    last = op.Sub(op.Shape(both, start=2, end=3), op.const([1]))
    source = op.Unsqueeze(op.Where(op.Less(slots, cached), slots, op.Min(new, last)), [1, 3])
    sizes = op.Concat(op.Shape(x, start=0, end=2), length, op.Shape(x, start=3, end=4), axis=0)
    return op.GatherElements(both, op.Expand(source, sizes), axis=2)


def _repeated(op, x, heads, wanted, size):
    """Return x [N, heads, T, size] with each head repeated, as [N, wanted, T, size]."""
    if heads == wanted:
        return x
    sizes = op.Concat(op.Shape(x, start=0, end=2), op.const([wanted // heads]), op.Shape(x, start=2, end=4), axis=0)
    return op.Reshape(op.Expand(op.Unsqueeze(x, [2]), sizes), [0, wanted, -1, size])
