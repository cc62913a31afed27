"""The passes that change nodes: padding written out, BatchNormalization folded."""

import numpy as np
import onnx
import pytest

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.canonize import fold_batch_normalization, load_graph
from tests.graph.same import check_same
from tests.models import operators, parse, relative, run, sample, sample_images

RNG = np.random.default_rng(15)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


# --------------------------------------------------------------------------------------------------------- auto_pad

WINDOWS = {
    "Conv": ("Conv<{}, kernel_shape = [3, 2]>(x, W)", "float[n, 2, {}, {}]"),
    "Conv, strides": ("Conv<{}, strides = [2, 3]>(x, W)", "float[n, 2, {}, {}]"),
    "MaxPool": ("MaxPool<{}, kernel_shape = [3, 2], strides = [2, 2]>(x)", "float[n, 2, {}, {}]"),
    "AveragePool": ("AveragePool<{}, kernel_shape = [3, 4], strides = [2, 1]>(x)", "float[n, 2, {}, {}]"),
}


@pytest.mark.parametrize("node", WINDOWS.values(), ids=WINDOWS.keys())
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
@pytest.mark.parametrize("size", [(7, 7), (8, 5), (6, 9)])
def test_auto_pad_becomes_pads(node, mode, size):
    call, shape = node
    pads = f'auto_pad = "{mode}"'
    text = f"m ({shape.format(*size)} x) => (float[n, c, h, w] y) {{ y = {call.format(pads)} }}"
    result = check_same(parse(text, **({"W": normal(3, 2, 3, 2)} if "W" in call else {})), {"x": normal(2, 2, *size)})
    assert "auto_pad" not in {a.name for a in result.graph.node[0].attribute}


SAME = pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])


@SAME
def test_auto_pad_with_dilations(mode):
    """ONNX Runtime refuses these, so the oracle is the dilated kernel with its zeros written out."""
    text = 'm (float[n, 2, 7, 6] x) => (float[n, 3, h, w] y) {{ y = Conv<auto_pad = "{}", strides = [2, 1]{}>(x, W) }}'
    weight = normal(3, 2, 3, 2)
    spread = np.zeros((3, 2, 5, 4), np.float32)
    spread[:, :, ::2, ::3] = weight
    x = normal(2, 2, 7, 6)
    found = load_graph(parse(text.format(mode, ", dilations = [2, 3]"), W=weight)).to_model()
    assert relative(run(found, {"x": x})["y"], run(parse(text.format(mode, ""), W=spread), {"x": x})["y"]) <= 1e-6


@SAME
def test_auto_pad_where_the_stride_is_larger_than_the_window(mode):
    """ONNX Runtime takes these for negative padding, so the oracle is a slice."""
    node = f'MaxPool<auto_pad = "{mode}", kernel_shape = [1, 1], strides = [2, 2]>(x)'
    model = parse(f"m (float[n, 1, 8, 5] x) => (float[n, 1, h, w] y) {{ y = {node} }}")
    x = normal(2, 1, 8, 5)
    np.testing.assert_array_equal(run(load_graph(model).to_model(), {"x": x})["y"], x[:, :, ::2, ::2])


@SAME
def test_auto_pad_over_sizes_known_at_run_time(mode):
    text = 'm (float[n, 1, w] x) => (float[n, 1, v] y) {{ y = Conv<auto_pad = "{}", strides = [{}]>(x, W) }}'
    for size in (4, 7):
        check_same(parse(text.format(mode, 1), W=normal(1, 1, 4)), {"x": normal(2, 1, size)})
    with pytest.raises(UnsupportedOperator, match=r"auto_pad with stride 2.*explicit pads or a fixed size"):
        load_graph(parse(text.format(mode, 2), W=normal(1, 1, 4)))


# -------------------------------------------------------------------------------------------------------- BatchNorm


def batch_norm(name):
    return {
        f"{name}s": RNG.uniform(0.5, 2, 3).astype(np.float32),
        f"{name}b": normal(3),
        f"{name}m": normal(3),
        f"{name}v": RNG.uniform(0.5, 2, 3).astype(np.float32),
    }


def folded(model, feeds, keep=()):
    """Fold, check the outputs, and return (how many, the folded model)."""
    graph = load_graph(model, keep=keep)
    count = fold_batch_normalization(graph, keep)
    result = graph.to_model()
    onnx.checker.check_model(result, full_check=True)
    for name, expected in run(model, feeds, optimised=False).items():
        assert relative(run(result, feeds, optimised=False)[name], expected) <= 2e-6
    return count, result


CONV_BN = """m (float[n, 2, 4, 4] x) => (float[n, 3, 4, 4] y) {{
    c = Conv<pads = [1, 1, 1, 1]>(x, W{}); y = BatchNormalization<epsilon = 0.01>(c, bs, bb, bm, bv)
}}"""


@pytest.mark.parametrize("bias", [True, False])
def test_batch_normalization_is_folded(bias):
    model = parse(CONV_BN.format(", c0" if bias else ""), W=normal(3, 2, 3, 3), c0=normal(3), **batch_norm("b"))
    count, result = folded(model, {"x": normal(2, 2, 4, 4)})
    assert count == 1 and operators(result) == ["Conv"]


OTHER_LAYERS = {
    "ConvTranspose<strides = [2, 2]>(x, W{})": ("float[n, 2, 4, 4]", (2, 3, 3, 3), (2, 2, 4, 4)),
    "Gemm(x, W{})": ("float[n, 4]", (4, 3), (2, 4)),
    "Gemm<transB = 1, alpha = 0.5>(x, W{})": ("float[n, 4]", (3, 4), (2, 4)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("call", OTHER_LAYERS)
def test_batch_normalization_is_folded_into_other_layers(call, bias):
    kind, weight, x = OTHER_LAYERS[call]
    layer = call.format(", c0" if bias else "")
    rank = ", ".join("n3hw"[: len(x)])
    text = f"m ({kind} x) => (float[{rank}] y) {{ c = {layer}; y = BatchNormalization(c, bs, bb, bm, bv) }}"
    count, result = folded(parse(text, W=normal(*weight), c0=normal(3), **batch_norm("b")), {"x": normal(*x)})
    assert count == 1 and operators(result) == [call.partition("(")[0].partition("<")[0]]


def test_batch_normalization_behind_a_product_makes_a_gemm():
    text = "m (float[n, 4] x) => (float[n, 3] y) { c = MatMul(x, W); y = BatchNormalization(c, bs, bb, bm, bv) }"
    count, result = folded(parse(text, W=normal(4, 3), **batch_norm("b")), {"x": normal(2, 4)})
    assert count == 1 and operators(result) == ["Gemm"]
    text = "m (float[n, 3, 4] x) => (float[n, 3, 3] y) { c = MatMul(x, W); y = BatchNormalization(c, bs, bb, bm, bv) }"
    assert folded(parse(text, W=normal(4, 3), **batch_norm("b")), {"x": normal(2, 3, 4)})[0] == 0


def test_a_grouped_transposed_convolution_is_not_folded():
    text = """m (float[n, 3, 4, 4] x) => (float[n, 3, h, w] y) {
        c = ConvTranspose<group = 3>(x, W); y = BatchNormalization(c, bs, bb, bm, bv)
    }"""
    count, _ = folded(parse(text, W=normal(3, 1, 3, 3), **batch_norm("b")), {"x": normal(2, 3, 4, 4)})
    assert count == 0


@pytest.mark.parametrize("keep", ["W", "bs", "bb", "bm", "bv"])
def test_folding_never_removes_what_a_gradient_is_asked_for(keep):
    model = parse(CONV_BN.format(""), W=normal(3, 2, 3, 3), **batch_norm("b"))
    count, result = folded(model, {"x": normal(2, 2, 4, 4)}, [keep])
    assert count == 0 and keep in {t.name for t in result.graph.initializer}


def test_a_convolution_read_twice_is_not_folded():
    text = """m (float[n, 2, 4, 4] x) => (float[n, 3, 4, 4] y, float[n, 3, 4, 4] c) {
        c = Conv<pads = [1, 1, 1, 1]>(x, W); d = Conv<pads = [1, 1, 1, 1]>(x, W)
        e = BatchNormalization(c, bs, bb, bm, bv); f = BatchNormalization(d, bs, bb, bm, bv);
        g = Add(f, d); y = Add(e, g)
    }"""
    count, _ = folded(parse(text, W=normal(3, 2, 3, 3), **batch_norm("b")), {"x": normal(2, 2, 4, 4)})
    assert count == 0


def test_one_weight_under_two_normalizations():
    text = """m (float[n, 2, 4, 4] x, float[n, 2, 4, 4] z) => (float[n, 3, 4, 4] y) {
        c = Conv<pads = [1, 1, 1, 1]>(x, W); d = Conv<pads = [1, 1, 1, 1]>(z, W)
        e = BatchNormalization(c, bs, bb, bm, bv); f = BatchNormalization(d, as, ab, am, av); y = Sub(e, f)
    }"""
    model = parse(text, W=normal(3, 2, 3, 3), **batch_norm("a"), **batch_norm("b"))
    count, _ = folded(model, {"x": normal(2, 2, 4, 4), "z": normal(2, 2, 4, 4)})
    assert count == 2


def test_sample_model_is_folded():
    count, result = folded(sample("digits_resnet"), {"image": sample_images()})
    assert count == 9 and "BatchNormalization" not in operators(result)
