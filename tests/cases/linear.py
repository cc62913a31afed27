"""Conv, Gemm, MatMul."""

from tests.cases.case import case, dims_for, real, weight

CONV = [
    # what, attributes, x, W
    ("plain", "", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("kernel_shape given", "kernel_shape = [2, 3]", (2, 3, 5, 6), (4, 3, 2, 3)),
    ("pads", "pads = [1, 1, 1, 1]", (2, 3, 5, 6), (4, 3, 3, 3)),
    ("asymmetric pads", "pads = [0, 2, 1, 0]", (2, 3, 5, 6), (2, 3, 3, 3)),
    ("pads wider than the kernel", "pads = [3, 3, 2, 3]", (1, 2, 4, 4), (2, 2, 2, 2)),
    ("strides", "strides = [2, 2], pads = [1, 1, 1, 1]", (2, 3, 7, 7), (4, 3, 3, 3)),
    ("strides that leave rows over", "strides = [3, 2]", (2, 2, 7, 8), (3, 2, 2, 3)),
    ("strides larger than the kernel", "strides = [3, 4]", (2, 2, 9, 9), (3, 2, 2, 2)),
    ("pointwise", "", (2, 3, 4, 5), (5, 3, 1, 1)),
    ("pointwise with strides", "strides = [2, 2]", (2, 3, 5, 6), (5, 3, 1, 1)),
    ("dilations", "dilations = [2, 3]", (1, 2, 7, 9), (3, 2, 3, 2)),
    (
        "dilations, strides, pads",
        "dilations = [2, 2], strides = [2, 3], pads = [1, 2, 2, 0]",
        (2, 2, 8, 9),
        (3, 2, 3, 3),
    ),
    ("groups", "group = 2, pads = [1, 1, 1, 1]", (2, 4, 4, 5), (6, 2, 3, 3)),
    (
        "groups, strides, dilations",
        "group = 2, strides = [2, 1], dilations = [1, 2], pads = [1, 0, 0, 2]",
        (2, 4, 6, 7),
        (4, 2, 3, 2),
    ),
    ("depthwise", "group = 3, pads = [1, 1, 1, 1]", (2, 3, 5, 5), (3, 1, 3, 3)),
    ("depthwise with strides", "group = 3, strides = [2, 2], pads = [0, 0, 1, 1]", (2, 3, 6, 7), (3, 1, 3, 3)),
    ("depthwise with a multiplier", "group = 2, strides = [2, 2]", (2, 2, 5, 6), (6, 1, 3, 3)),
    ("SAME_UPPER", 'auto_pad = "SAME_UPPER"', (2, 2, 5, 6), (3, 2, 3, 2)),
    ("SAME_LOWER", 'auto_pad = "SAME_LOWER"', (2, 2, 5, 6), (3, 2, 3, 2)),
    ("SAME_UPPER, strides", 'auto_pad = "SAME_UPPER", strides = [2, 3]', (2, 2, 6, 7), (3, 2, 3, 4)),
    ("SAME_LOWER, strides", 'auto_pad = "SAME_LOWER", strides = [2, 3]', (2, 2, 6, 7), (3, 2, 3, 4)),
    (
        "SAME_UPPER, strides larger than the kernel",
        'auto_pad = "SAME_UPPER", strides = [3, 3]',
        (1, 2, 7, 8),
        (2, 2, 2, 2),
    ),
    ("VALID", 'auto_pad = "VALID", strides = [2, 2]', (2, 2, 6, 7), (3, 2, 3, 3)),
    ("kernel as large as the input", "", (2, 2, 3, 4), (5, 2, 3, 4)),
    ("1-D", "", (2, 3, 8), (4, 3, 3)),
    ("1-D, strides, dilations, pads", "strides = [3], dilations = [2], pads = [2, 1]", (2, 3, 11), (4, 3, 3)),
    ("3-D", "pads = [1, 0, 1, 0, 1, 1]", (1, 2, 3, 4, 3), (3, 2, 2, 2, 3)),
    (
        "3-D, groups, strides, dilations",
        "group = 2, strides = [1, 2, 2], dilations = [2, 1, 1], pads = [1, 1, 0, 1, 0, 1]",
        (2, 2, 4, 4, 5),
        (4, 1, 2, 2, 3),
    ),
    ("1-D, depthwise, SAME_LOWER", 'group = 3, auto_pad = "SAME_LOWER", strides = [2]', (2, 3, 7), (3, 1, 4)),
]

GEMM = [
    # what, attributes, A, B, C
    ("plain", "", (2, 3), (3, 4), (2, 4)),
    ("transA", "transA = 1", (3, 2), (3, 4), (4,)),
    ("transB", "transB = 1", (2, 3), (4, 3), (4,)),
    ("transA, transB", "transA = 1, transB = 1", (3, 2), (4, 3), (2, 4)),
    ("alpha, beta", "alpha = 0.5, beta = -1.5", (2, 3), (3, 4), (4,)),
    ("alpha, beta, transposed", "alpha = 0.5, beta = 2.0, transA = 1, transB = 1", (3, 2), (4, 3), (2, 1)),
    ("beta zero", "beta = 0.0", (2, 3), (3, 4), (4,)),
    ("C a scalar", "", (2, 3), (3, 4), ()),
    ("C of one element", "", (2, 3), (3, 4), (1,)),
    ("C a row", "", (2, 3), (3, 4), (1, 4)),
    ("C a column", "beta = 0.5", (2, 3), (3, 4), (2, 1)),
]

MATMUL = [
    # what, A, B
    ("matrix, matrix", (2, 3), (3, 4)),
    ("vector, vector", (3,), (3,)),
    ("vector, matrix", (3,), (3, 4)),
    ("matrix, vector", (2, 3), (3,)),
    ("vector, batch", (3,), (2, 3, 4)),
    ("batch, vector", (2, 4, 3), (3,)),
    ("batch, batch", (2, 3, 4), (2, 4, 2)),
    ("batch, matrix", (2, 3, 4), (4, 2)),
    ("matrix, batch", (3, 4), (2, 4, 2)),
    ("batch of one on the left", (1, 3, 4), (2, 4, 2)),
    ("batches broadcast both ways", (2, 1, 2, 3), (4, 3, 2)),
    ("heads", (2, 3, 4, 2), (2, 3, 2, 4)),
]

CASES = [
    *(
        case(
            f"Conv/{what}",
            f"y = Conv<{attributes}>(x, W, B)",
            x=real(*x),
            W=weight(*w),
            B=weight(w[0]),
            dims=dims_for(attributes),
        )
        for what, attributes, x, w in CONV
    ),
    case(
        "Conv/no bias",
        "y = Conv<pads = [1, 0, 0, 1], strides = [2, 1]>(x, W)",
        x=real(2, 2, 5, 5),
        W=weight(3, 2, 3, 3),
    ),
    case(
        "Conv/weights as inputs",
        "y = Conv<pads = [1, 1, 1, 1]>(x, W, B)",
        x=real(2, 2, 5, 5),
        W=real(3, 2, 3, 3),
        B=real(3),
        dims=(),  # the size of a kernel must be known
    ),
    *(
        case(f"Gemm/{what}", f"y = Gemm<{attributes}>(a, b, c)", a=real(*a), b=weight(*b), c=weight(*c))
        for what, attributes, a, b, c in GEMM
    ),
    case("Gemm/no C", "y = Gemm<alpha = 2.0, transB = 1>(a, b)", a=real(2, 3), b=real(4, 3)),
    case("Gemm/opset 7", "y = Gemm<transB = 1>(a, b, c)", a=real(2, 3), b=weight(4, 3), c=weight(4), opset=7),
    *(case(f"MatMul/{what}", "y = MatMul(a, b)", a=real(*a), b=real(*b)) for what, a, b in MATMUL),
    case("MatMul/weight", "y = MatMul(x, w)", x=real(2, 3, 4), w=weight(4, 5)),
]
