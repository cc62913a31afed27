"""The spellings of com.microsoft operators: against the kernels of ONNX Runtime, and finite differences of those."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from tests.graph.kernels import Kernel, check_forward, check_gradient
from tests.models import run

rng = np.random.default_rng(0)


def r(*shape):
    return rng.normal(size=shape).astype(np.float32)


def fused_conv(activation=None, parameters=None, **further):
    attributes = {"pads": [1, 1, 1, 1], "strides": [2, 2]}
    attributes |= {"activation": activation} if activation else {}
    attributes |= {"activation_params": parameters} if parameters else {}
    inputs = {"X": r(1, 3, 6, 6), "W": 0.3 * r(4, 3, 3, 3), "B": r(4), **further}
    return Kernel("FusedConv", inputs, attributes, name=f"FusedConv {activation}")


def fused_gemm(activation, **parameters):
    attributes = {"transB": 1, "alpha": 0.5, "beta": 2.0, "activation": activation}
    attributes |= {f"activation_{key}": value for key, value in parameters.items()}
    return Kernel("FusedGemm", {"A": r(3, 4), "B": r(5, 4), "C": r(5)}, attributes, name=f"FusedGemm {activation}")


def matmul(a, b, operator="FusedMatMul", **attributes):
    return Kernel(operator, {"A": r(*a), "B": r(*b)}, {"alpha": 0.5, **attributes}, name=f"{operator} {a} {b}")


def embed(**changed):
    ids = np.array([[1, 5, 9, 0, 3], [2, 2, 4, 7, 8]], np.int32)
    inputs = {"input_ids": ids, "segment_ids": ids % 2, "word": r(10, 8), "position": r(7, 8), "segment": r(2, 8)}
    inputs |= {"gamma": r(8), "beta": r(8), "mask": None, "position_ids": None}
    return Kernel("EmbedLayerNormalization", inputs | changed, outputs=("y", "words", "total"))


HEADS, SIZE = 2, 4
WIDTH = HEADS * SIZE


def attention(mask=None, outputs=("y",), length=5, out=WIDTH, name="", past=None, attention_bias=None, **attributes):
    inputs = {"x": r(2, length, 6), "w": 0.5 * r(6, 2 * WIDTH + out), "b": r(2 * WIDTH + out), "mask_index": mask}
    inputs |= {"past": past, "attention_bias": attention_bias}
    attributes = {"num_heads": HEADS, **attributes}
    return Kernel("Attention", inputs, attributes, outputs, atol=3e-5, name=f"Attention {name}")


def heads(name="", outputs=("y",), key=None, value=None, bias=False, out=WIDTH, **changed):
    inputs = {"query": r(2, 5, WIDTH), "key": r(2, 6, WIDTH) if key is None else key}
    inputs |= {"value": r(2, 6, out) if value is None else value, "bias": r(2 * WIDTH + out) if bias else None}
    names = ("key_padding_mask", "attention_bias", "past_key", "past_value")
    inputs |= {key: changed.pop(key, None) for key in names}
    attributes = {"num_heads": HEADS, **changed}
    return Kernel("MultiHeadAttention", inputs, attributes, outputs, atol=3e-5, name=f"MultiHeadAttention {name}")


def rotary(shape, positions, half=4, **attributes):
    inputs = {"input": r(*shape), "position_ids": positions, "cos": r(10, half), "sin": r(10, half)}
    return Kernel("RotaryEmbedding", inputs, attributes, name=f"RotaryEmbedding {shape} {half} {attributes}")


def grouped(name, length=5, past=None, held=(4, 4), total=5, packed=False, bias=None, **attributes):
    rows, size = len(held), 16
    inputs = {"query": r(rows, length, (8 if packed else 4) * size)}
    inputs |= {key: None if packed else r(rows, length, 2 * size) for key in ("key", "value")}
    inputs |= {key: None if past is None else r(rows, 2, past, size) for key in ("past_key", "past_value")}
    inputs |= {"seqlens_k": np.array(held, np.int32), "total": np.array(total, np.int32)}
    inputs |= {"cos": r(16, 8), "sin": r(16, 8), "position_ids": None, "attention_bias": bias}
    attributes = {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1, **attributes}
    outputs = ("y", "present_key", "present_value")
    constant = ("seqlens_k", "total")
    return Kernel("GroupQueryAttention", inputs, attributes, outputs, constant, atol=3e-5, name=f"grouped {name}")


MASKS = {
    "by key": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32),
    "by end": np.array([3, 5], np.int32),
    "by end and start": np.array([4, 5, 1, 0], np.int32),
    "by query and key": np.maximum(np.eye(5, dtype=np.int32), rng.integers(0, 2, (2, 5, 5)).astype(np.int32)),
    "from the left": np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], np.int32),
}
BNSH = (2, HEADS, 6, SIZE)

CASES = [
    Kernel("Gelu", {"X": r(2, 3, 5)}),
    Kernel("FastGelu", {"X": r(2, 3, 5)}),
    Kernel("FastGelu", {"X": r(2, 3, 5), "bias": r(5)}, name="FastGelu bias"),
    Kernel("QuickGelu", {"X": r(2, 3, 5)}),
    Kernel("QuickGelu", {"X": r(2, 3, 5)}, {"alpha": 1.0}, name="QuickGelu alpha"),
    Kernel("BiasGelu", {"A": r(2, 3, 5), "B": r(5)}),
    Kernel("BiasSplitGelu", {"X": r(2, 3, 8), "bias": r(8)}, kernel=False),
    Kernel("GemmFastGelu", {"X": r(2, 3, 8), "W": r(8, 4), "bias": r(4)}, kernel=False),
    *(fused_conv(name) for name in (None, "Tanh", "Sigmoid", "HardSwish")),
    fused_conv("LeakyRelu", [0.2]),
    fused_conv("Clip", [-50.0, 70.0]),
    fused_conv("HardSigmoid", [0.01, 0.4]),
    fused_conv("Relu", Z=10 + r(1, 4, 3, 3)),
    fused_conv(None, B=None, Z=r(1, 4, 3, 3)),
    Kernel("NhwcFusedConv", {"X": r(1, 6, 5, 3), "W": r(4, 3, 3, 3), "B": r(4)}, {"activation": "Tanh"}, kernel=False),
    Kernel("NhwcConv", {"X": r(1, 6, 5, 3), "W": r(4, 3, 3, 3), "B": r(4)}, {"strides": [2, 1]}, kernel=False),
    *(fused_gemm(name) for name in ("Tanh", "Sigmoid", "Softplus", "Softsign")),
    fused_gemm("LeakyRelu", alpha=0.9),
    fused_gemm("Elu", alpha=0.9),
    fused_gemm("HardSigmoid", alpha=0.01, beta=0.4),
    fused_gemm("ScaledTanh", alpha=0.3, beta=0.6),
    fused_gemm("ParametricSoftplus", alpha=0.3, beta=0.6),
    matmul((2, 3, 4), (4, 5)),
    matmul((2, 4, 3), (2, 5, 4), "TransposeMatMul", transA=1, transB=1),
    matmul((4,), (2, 5, 4), transB=1),
    matmul((3, 2, 6, 4), (2, 6, 4, 5), transBatchA=1),
    matmul((4, 2, 6, 3), (2, 6, 4, 5), transBatchA=1, transA=1),
    matmul((2, 6, 3, 4), (4, 2, 6, 5), transBatchB=1),
    matmul((2, 6, 3, 4), (5, 2, 6, 4), transBatchB=1, transB=1),
    Kernel("FusedMatMulActivation", {"A": r(2, 3, 4), "B": r(4, 5)}, {"activation": "Tanh"}, kernel=False),
    Kernel("FusedMatMulActivation", {"A": r(3, 4), "B": r(4, 5)}, {"activation": "Softmax"}, kernel=False),
    *(Kernel("CDist", {"A": r(4, 3), "B": r(5, 3)}, {"metric": m}, name=m) for m in ("euclidean", "sqeuclidean")),
    Kernel("BiasAdd", {"X": r(2, 3, 8), "bias": r(8), "skip": r(2, 3, 8)}, kernel=False),
    Kernel("BiasSoftmax", {"X": r(2, 3, 8), "bias": r(2, 1, 8)}, {"is_inner_broadcast": 1, "axis": 2}, kernel=False),
    Kernel("BiasDropout", {"X": r(2, 8), "bias": r(8), "skip": r(2, 8)}, {}, ("y", "kept"), kernel=False),
    Kernel("Trilu", {"X": r(2, 5, 8), "k": np.array(1)}, {"upper": 0}),
    Kernel("Pad", {"X": r(2, 5), "pads": np.array([0, 1, 1, 2]), "v": np.float32([0.5])}, constant=("pads",)),
    Kernel("Pad", {"X": r(2, 5), "pads": np.array([0, 1, 1, 2])}, {"mode": "reflect"}, constant=("pads",)),
    Kernel("ExpandDims", {"X": r(2, 5), "axis": np.array(1, np.int32)}, constant=("axis",)),
    Kernel("GatherND", {"X": r(2, 5), "places": np.array([[1], [0], [1]], np.int32)}),
    Kernel("SimplifiedLayerNormalization", {"X": r(2, 3, 8), "scale": r(8)}, {"epsilon": 1e-4}, ("y", "v"), domain=""),
    Kernel("SimplifiedLayerNormalization", {"X": r(2, 3, 8), "scale": r(3, 8)}, {"axis": 1}, domain=""),
    Kernel("LayerNormalization", {"X": r(2, 3, 8), "s": r(8), "b": r(8)}, {"epsilon": 1e-4}, domain="", opset=14),
    Kernel("ScaledTanh", {"X": r(2, 3)}, {"alpha": 0.3, "beta": 0.6}, domain="", opset=9),
    Kernel("ParametricSoftplus", {"X": r(2, 3)}, {"alpha": 0.3, "beta": 0.6}, domain="", opset=9),
    Kernel("Affine", {"X": r(2, 3)}, {"alpha": 0.3, "beta": 0.6}, domain="", opset=9),
    Kernel("ImageScaler", {"X": r(2, 3, 4, 5)}, {"scale": 0.3, "bias": [0.6, 1.0, 2.0]}, domain="", opset=9),
    Kernel(
        "SkipLayerNormalization",
        {"X": r(2, 3, 8), "skip": r(2, 3, 8), "gamma": r(8), "beta": r(8), "bias": r(8)},
        {"epsilon": 1e-5},
        ("y", "", "", "sum"),
    ),
    Kernel("SkipLayerNormalization", {"X": r(2, 3, 8), "skip": r(3, 8), "gamma": r(8)}),
    Kernel("SkipLayerNormalization", {"X": r(2, 3, 8), "skip": r(1, 3, 8), "gamma": r(8), "beta": None, "b": r(8)}),
    Kernel(
        "SkipSimplifiedLayerNormalization",
        {"X": r(2, 3, 8), "skip": r(2, 3, 8), "gamma": r(8), "bias": r(8)},
        {"epsilon": 1e-5},
        ("y", "", "", "sum"),
    ),
    embed(mask=np.array([[1, 0, 1, 0, 0], [0, 1, 1, 1, 2]], np.int32)),
    embed(segment_ids=None, segment=None, position_ids=np.array([[0, 2, 4, 6, 1]], np.int32)),
    attention(),
    attention(unidirectional=1, name="causal"),
    *(attention(mask, name=name) for name, mask in MASKS.items()),
    *(attention(MASKS[name], unidirectional=1, name=f"causal {name}") for name in ("by key", "by end")),
    attention(attention_bias=r(1, HEADS, 5, 5), scale=0.3, name="bias"),
    attention(out=4, qkv_hidden_sizes=[WIDTH, WIDTH, 4], name="sizes"),
    attention(np.array([7, 8], np.int32), ("y", "present"), past=r(2, 2, HEADS, 3, SIZE), name="past"),
    attention(past=r(2, 2, HEADS, 3, SIZE), outputs=("y", "present"), unidirectional=1, name="causal past"),
    attention(MASKS["by key"], mask_filter_value=-2.0, name="filter"),
    heads("bias", bias=True),
    heads("mask by key", key_padding_mask=np.array([[1, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1]], np.int32)),
    heads("mask by end", key_padding_mask=np.array([3, 6], np.int32)),
    heads("attention bias", attention_bias=r(2, 1, 5, 6), scale=0.7),
    heads("causal", key=r(2, 5, WIDTH), value=r(2, 5, WIDTH), unidirectional=1),
    heads("values of another size", out=12, bias=True),
    heads("cross", key=r(*BNSH), value=r(*BNSH)),
    heads("past", ("y", "k", "v"), past_key=r(2, HEADS, 3, SIZE), past_value=r(2, HEADS, 3, SIZE)),
    Kernel("MultiHeadAttention", {"query": r(2, 5, HEADS, 3, SIZE)}, {"num_heads": HEADS}, kernel=False),
    Kernel("MultiHeadAttention", {"q": r(2, 5, 8), "k": r(2, 6, HEADS, 2, SIZE)}, {"num_heads": HEADS}, kernel=False),
    *(rotary((2, 5, 24), np.array([[0, 1, 2, 3, 4], [3, 4, 5, 6, 7]]), interleaved=i) for i in (0, 1)),
    *(rotary((2, 3, 5, 8), np.array([2]), interleaved=i) for i in (0, 1)),
    rotary((2, 5, 24), np.array([2]), half=2, num_heads=3, rotary_embedding_dim=4),
    grouped("prompt"),
    grouped("packed", packed=True, rotary_interleaved=1),
    grouped("window", local_window_size=2),
    grouped("bias", bias=r(1, 4, 5, 5), scale=0.2),
    grouped("shorter rows", held=(2, 4)),
    grouped("one more token", 1, past=6, held=(6, 6), total=7),
    grouped("several more tokens", 3, past=6, held=(8,), total=9),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_equals_the_kernel(case):
    check_forward(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradient_equals_finite_differences_of_the_kernel(case):
    check_gradient(case)


@pytest.mark.parametrize("past", [9, 6])
def test_grouped_attention_over_a_longer_cache_and_rows_of_several_lengths(past):
    case = grouped("cache", 1, past=past, held=(3, 6), total=7)
    expected = run(case.model(), case.feeds, optimised=False)
    found = run(load_graph(case.model()).to_model(), case.feeds)
    np.testing.assert_allclose(found["y"], expected["y"], atol=3e-5)
    for name in ("present_key", "present_value"):
        for row, held in enumerate((4, 7)):
            np.testing.assert_allclose(found[name][row, :, :held], expected[name][row, :, :held], atol=3e-5)


def test_rows_of_attention_without_a_visible_key():
    case = attention(np.array([[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], np.int32))
    found = run(load_graph(case.model()).to_model(), case.feeds)["y"]
    # Scores beside -10000 keep three digits.
    np.testing.assert_allclose(found, run(case.model(), case.feeds)["y"], atol=1e-2)


@pytest.mark.parametrize("name", MASKS)
def test_attention_with_an_open_number_of_rows(name):
    """Whether a mask of one axis holds ends, or ends and starts, may be known at run time only."""
    case = attention(MASKS[name])
    expanded = load_graph(case.model(symbolic=True)).to_model()
    np.testing.assert_allclose(run(expanded, case.feeds)["y"], run(case.model(), case.feeds)["y"], atol=3e-5)


def test_16_bit_normalization_keeps_large_values():
    """Squares of 16-bit numbers overflow beyond 255."""
    case = Kernel("SimplifiedLayerNormalization", {"X": np.float16([[300, 400, 500]]), "s": np.float16([1, 1, 1])})
    case.domain = ""
    found = run(load_graph(case.model()).to_model(), case.feeds)["y"]
    np.testing.assert_allclose(found, run(case.model(), case.feeds)["y"], rtol=2e-3)


REFUSED = [
    (attention(np.ones((2, 1, 8, 8), np.int32)), "rank 4"),
    (attention(do_rotary=1), "do_rotary"),
    (attention(np.arange(8, dtype=np.int32)), "8 entries for 2 rows"),
    (fused_conv("Warp"), "activation 'Warp' is not spelled out"),
    (grouped("softcap", softcap=2.0), "softcap = 2.0"),
    (grouped("both ways", causal=0), "causal = 0"),
    (rotary((2, 5, 24), np.array([2]), scale=2.0), "scale"),
    (Kernel("Gelu", {"X": r(2)}, {"speed": 3}), r"has the attribute \['speed'\], which is not spelled out"),
    (Kernel("SkipSimplifiedLayerNormalization", {"X": r(2, 3), "s": r(2, 3), "g": r(3)}, {}, ("y", "mean")), "mean"),
]


@pytest.mark.parametrize(("case", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_what_is_not_spelled_out_is_refused(case, text):
    with pytest.raises(UnsupportedOperator, match=text):
        load_graph(case.model())


@pytest.mark.parametrize(
    ("domain", "operator", "advice"),
    [
        ("com.microsoft.nchwc", "Conv", "memory layout for the machine .* optimisation level BASIC"),
        ("com.microsoft", "QLinearAdd", "use the float model that the file was quantised from"),
        ("com.microsoft", "NhwcMaxPool", "use the float model that the file was quantised from"),
        ("com.microsoft", "Inverse", "optimisation level BASIC"),
        ("org.example", "Warp", "export the model to standard ai.onnx operators"),
    ],
)
def test_advice_for_other_operators(domain, operator, advice):
    node = helper.make_node(operator, ["x"], ["y"], "blocks.3/node", domain=domain)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    model = helper.make_model(helper.make_graph([node], "m", [x], [y]), opset_imports=imports)
    with pytest.raises(UnsupportedOperator, match=f"(?s){domain}::{operator}.*'blocks.3/node'.*{advice}"):
        load_graph(model)
