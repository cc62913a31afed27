"""Attention and its parts."""

from tests.cases.case import case, constant, real

QKV = {"q": real(2, 2, 3, 4), "k": real(2, 2, 5, 4), "v": real(2, 2, 5, 3)}
FLAT = {"q": real(2, 3, 8), "k": real(2, 5, 4), "v": real(2, 5, 4)}
GROUPED = "q_num_heads = 4, kv_num_heads = 2"
MASK = [[True, True, False, True, False], [True, True, True, True, True], [False, False, False, False, False]]
PAST = {"pk": real(2, 2, 2, 4), "pv": real(2, 2, 2, 3)}


def attention(what, nodes, *, opset=23, **tensors):
    return case(f"Attention/{what}", nodes, **tensors, opset=opset, dims=("batch",))


CASES = [
    attention("plain", "y = Attention(q, k, v)", **QKV),
    attention("causal, scale", "y = Attention<is_causal = 1, scale = 0.4>(q, k, v)", **QKV),
    attention("softcap", "y = Attention<softcap = 1.5>(q, k, v)", **QKV),
    attention("three axes, grouped heads", f"y = Attention<{GROUPED}>(q, k, v)", **FLAT),
    attention("mask added", "y = Attention(q, k, v, m)", **QKV, m=real(3, 5)),
    attention("bool mask that hides a row", "y = Attention(q, k, v, m)", **QKV, m=constant(MASK), opset=24),
    attention("past and present", "y, k2, v2 = Attention(q, k, v, , pk, pv)", **QKV, **PAST),
    attention("products as output", "y, , , z = Attention<qk_matmul_output_mode = 3>(q, k, v)", **QKV),
    attention("lengths", "y = Attention(q, k, v, , , , n)", **QKV, n=constant([3, 5]), opset=24),
    case(
        "RotaryEmbedding",
        "y = RotaryEmbedding(x, c, s)",
        x=real(2, 2, 3, 4),
        c=real(2, 3, 2),
        s=real(2, 3, 2),
        opset=23,
        dims=("batch",),
    ),
    case(
        "RotaryEmbedding/positions, interleaved",
        "y = RotaryEmbedding<interleaved = 1>(x, c, s, p)",
        x=real(2, 2, 3, 4),
        c=real(5, 2),
        s=real(5, 2),
        p=constant([[0, 1, 2], [3, 2, 4]]),
        opset=23,
        dims=("batch",),
    ),
    case(
        "RotaryEmbedding/three axes, part of the head",
        "y = RotaryEmbedding<num_heads = 2, rotary_embedding_dim = 2>(x, c, s)",
        x=real(2, 3, 8),
        c=real(2, 3, 1),
        s=real(2, 3, 1),
        opset=23,
        dims=("batch",),
    ),
]
