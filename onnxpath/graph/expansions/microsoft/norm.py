"""Normalizations of com.microsoft, with the sums and look-ups fused to them."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from onnxpath.graph.expand import expansion
from onnxpath.graph.ir import onnx_dtype, rank

NARROW = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


@expansion("com.microsoft", "SimplifiedLayerNormalization")
def simplified_layer_normalization(op, X, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    """x / sqrt(mean(x²) + epsilon) · scale, in float32 where x is narrower."""
    axes = list(range(axis % rank(X), rank(X)))
    wide = op.Cast(X, to=stash_type) if onnx_dtype(X) in NARROW else X
    variance = op.ReduceMean(op.Mul(wide, wide), axes, keepdims=1)
    inverse = op.Reciprocal(op.Sqrt(op.Add(variance, epsilon)))
    normal = op.Mul(wide, inverse)
    if onnx_dtype(normal) != onnx_dtype(scale):
        normal = op.Cast(normal, to=onnx_dtype(scale))
    return op.Mul(normal, scale), inverse


@expansion("com.microsoft", "SkipLayerNormalization")
def skip_layer_normalization(op, input, skip, gamma, beta=None, bias=None, *, epsilon=1e-12):
    """Add, Add, LayerNormalization."""
    total = _sum(op, input, skip, bias)
    y, mean, inverse = op.LayerNormalization(total, gamma, beta, axis=-1, epsilon=epsilon, outputs=3)
    return y, mean, inverse, total


@expansion("com.microsoft", "SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(op, input, skip, gamma, bias=None, *, epsilon=1e-12):
    """Add, Add, x / sqrt(mean(x²) + epsilon) · gamma."""
    total = _sum(op, input, skip, bias)
    y, inverse = simplified_layer_normalization(op, total, gamma, epsilon=epsilon)
    return y, None, inverse, total


@expansion("com.microsoft", "EmbedLayerNormalization")
def embed_layer_normalization(
    op, input_ids, segment_ids, word_embedding, position_embedding, segment_embedding, gamma, beta,
    mask=None, position_ids=None, *, epsilon=1e-12, mask_index_type=0,
):  # fmt: skip
    """Gather from each table, Add, LayerNormalization; the mask index counts the words of each row."""
    places = op.Shape(input_ids, start=1, end=2)
    if position_ids is None:
        positions = op.Slice(position_embedding, [0], places, [0])
    else:
        positions = op.Gather(position_embedding, position_ids)
    total = op.Add(op.Gather(word_embedding, input_ids), positions)
    if segment_embedding is not None and segment_ids is not None:
        total = op.Add(total, op.Gather(segment_embedding, segment_ids))
    y = op.LayerNormalization(total, gamma, beta, axis=-1, epsilon=epsilon)
    if mask is None:
        words = op.Expand(op.const(0, np.int32), op.Shape(input_ids, start=0, end=1))
    else:
        words = op.ReduceSum(op.Cast(op.Equal(mask, 1), to=TensorProto.INT32), [1], keepdims=0)
    return y, words, total


def _sum(op, x, skip, bias):
    total = op.Add(x, skip)
    return total if bias is None else op.Add(total, bias)
