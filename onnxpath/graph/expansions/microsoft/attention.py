"""Attention and MultiHeadAttention of com.microsoft."""

from __future__ import annotations

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expand import expansion
from onnxpath.graph.expansions.microsoft.heads import (
    attend,
    concatenate,
    join_heads,
    last_size,
    masked_places,
    seen_before,
    split_heads,
)
from onnxpath.graph.ir import rank

MASKED = -10000.0


@expansion("com.microsoft", "Attention")
def attention(
    op, input, weights, bias=None, mask_index=None, past=None, attention_bias=None, past_sequence_length=None, *,
    num_heads, scale=0.0, mask_filter_value=MASKED, qkv_hidden_sizes=(), unidirectional=0, do_rotary=0,
    past_present_share_buffer=0, rotary_embedding_dim=0,
):  # fmt: skip
    """MatMul, Add, Split into query, key and value, and scaled dot product attention."""
    if do_rotary or past_present_share_buffer:
        raise UnsupportedOperator(
            "Attention with do_rotary or past_present_share_buffer is not spelled out; "
            "export the model without a shared key/value cache"
        )
    sizes = list(qkv_hidden_sizes) or [last_size(weights, "split it into query, key and value") // 3] * 3
    packed = op.MatMul(input, weights)
    packed = packed if bias is None else op.Add(packed, bias)
    q, k, v = (split_heads(op, t, num_heads) for t in op.Split(packed, sizes, axis=-1, outputs=3))
    if past is not None:
        before = op.Split(past, axis=0, num_outputs=2, outputs=2)
        k, v = (op.Concat(op.Squeeze(t, [0]), x, axis=2) for t, x in zip(before, (k, v), strict=True))
    # Keys and values of different sizes cannot be put into one cache.
    present = op.Concat(op.Unsqueeze(k, [0]), op.Unsqueeze(v, [0]), axis=0) if len({*sizes}) == 1 else None
    mask = masked_places(op, mask_index, k, mask_filter_value or MASKED)
    y, _ = attend(op, q, k, v, scale, [mask, attention_bias], seen_before(op, q, k) if unidirectional else None)
    return join_heads(op, y, sizes[2]), present


@expansion("com.microsoft", "MultiHeadAttention")
def multi_head_attention(
    op, query, key=None, value=None, bias=None, key_padding_mask=None, attention_bias=None, past_key=None,
    past_value=None, past_sequence_length=None, cache_indirection=None, *,
    num_heads, scale=0.0, mask_filter_value=MASKED, unidirectional=0,
):  # fmt: skip
    """Add, split into heads, and scaled dot product attention."""
    if past_sequence_length is not None or cache_indirection is not None:
        raise UnsupportedOperator(
            "MultiHeadAttention with a shared key/value cache or beams is not spelled out; "
            "export the model without them"
        )
    q, k, v = _query_key_value(op, query, key, value, bias, num_heads)
    k, v = concatenate(op, past_key, k), concatenate(op, past_value, v)
    mask = masked_places(op, key_padding_mask, k, mask_filter_value or MASKED)
    y, weights = attend(op, q, k, v, scale, [mask, attention_bias], seen_before(op, q, k) if unidirectional else None)
    return join_heads(op, y), k, v, weights


def _query_key_value(op, query, key, value, bias, heads):
    """Query, key and value as [N, heads, T, size], from their separate or packed forms, biases added."""
    if rank(query) == 5:
        q, k, v = (op.Squeeze(t, [3]) for t in op.Split(query, axis=3, num_outputs=3, outputs=3))
        q, k, v = (op.Reshape(t, [0, 0, -1]) for t in (q, k, v))
    elif key is not None and rank(key) == 5:
        q, (k, v) = query, (op.Squeeze(t, [3]) for t in op.Split(key, axis=3, num_outputs=2, outputs=2))
        k, v = (op.Reshape(t, [0, 0, -1]) for t in (k, v))
    elif key is None or value is None:
        raise UnsupportedOperator("MultiHeadAttention without key or value needs a packed query of rank 5")
    else:
        q, k, v = query, key, value
    if bias is not None:
        size = q.shape[-1] if isinstance(q.shape[-1], int) else bias.shape[0] // 3
        biases = op.Split(bias, [size, size, bias.shape[0] - 2 * size], axis=0, outputs=3)
        q, k, v = (op.Add(t, b) if rank(t) == 3 else t for t, b in zip((q, k, v), biases, strict=True))
    return tuple(split_heads(op, t, heads) if rank(t) == 3 else t for t in (q, k, v))
