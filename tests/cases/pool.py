"""Pooling with windows, and over everything."""

from tests.cases.case import case, dims_for, real

WINDOWS = [
    # what, attributes, shape of x
    ("plain", "kernel_shape = [2, 2], strides = [2, 2]", (2, 2, 4, 6)),
    ("strides of one", "kernel_shape = [2, 3]", (1, 2, 4, 5)),
    ("overlap", "kernel_shape = [3, 3], strides = [2, 2]", (2, 2, 7, 7)),
    ("overlap, pads", "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]", (2, 2, 6, 7)),
    ("asymmetric pads", "kernel_shape = [3, 2], strides = [1, 2], pads = [2, 0, 1, 1]", (1, 2, 5, 6)),
    ("rows left over", "kernel_shape = [2, 2], strides = [3, 2]", (1, 2, 7, 7)),
    ("strides larger than the kernel", "kernel_shape = [2, 1], strides = [3, 3]", (1, 2, 8, 7)),
    ("ceil_mode", "kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1", (1, 2, 5, 7)),
    ("ceil_mode, overlap", "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1", (1, 2, 6, 8)),
    ("ceil_mode, pads", "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 0, 0, 1], ceil_mode = 1", (1, 2, 6, 6)),
    ("dilations", "kernel_shape = [2, 2], dilations = [2, 3]", (1, 2, 5, 7)),
    (
        "dilations, strides, pads",
        "kernel_shape = [2, 3], dilations = [2, 2], strides = [2, 1], pads = [1, 1, 0, 2]",
        (1, 2, 6, 6),
    ),
    ("SAME_UPPER", 'kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_UPPER"', (1, 2, 6, 5)),
    ("SAME_LOWER", 'kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_LOWER"', (1, 2, 6, 5)),
    ("VALID", 'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "VALID"', (1, 2, 6, 7)),
    ("kernel as large as the input", "kernel_shape = [3, 4]", (2, 3, 3, 4)),
    ("1-D", "kernel_shape = [3], strides = [2], pads = [1, 0]", (2, 2, 8)),
    ("3-D", "kernel_shape = [2, 2, 3], strides = [1, 2, 2], pads = [1, 0, 0, 0, 1, 1]", (1, 2, 3, 4, 5)),
    ("3-D, dilations", "kernel_shape = [2, 2, 2], dilations = [1, 2, 3], strides = [2, 1, 1]", (1, 1, 4, 4, 5)),
    ("1-D, ceil_mode", "kernel_shape = [3], strides = [2], ceil_mode = 1", (2, 2, 8)),
]

PADDED = [row for row in WINDOWS if "pads" in row[1] or "SAME" in row[1] or "ceil" in row[1]]

CASES = [
    *(
        case(f"MaxPool/{what}", f"y = MaxPool<{attributes}>(x)", x=real(*shape), dims=dims_for(attributes))
        for what, attributes, shape in WINDOWS
    ),
    case("MaxPool/opset 8", "y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)", x=real(1, 2, 5, 4), opset=8),
    case("MaxPool/with its indices", "y, i = MaxPool<kernel_shape = [2, 2], strides = [1, 2]>(x)", x=real(1, 2, 4, 4)),
    *(
        case(f"AveragePool/{what}", f"y = AveragePool<{attributes}>(x)", x=real(*shape), dims=dims_for(attributes))
        for what, attributes, shape in WINDOWS
    ),
    *(
        case(
            f"AveragePool/{what}, padding counted",
            f"y = AveragePool<count_include_pad = 1, {attributes}>(x)",
            x=real(*shape),
            dims=dims_for(attributes),
        )
        for what, attributes, shape in PADDED
    ),
    case(
        "AveragePool/opset 7",
        "y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)",
        x=real(1, 2, 4, 4),
        opset=7,
    ),
    *(
        case(
            f"LpPool/{what}, p {p}",
            f"y = LpPool<p = {p}, {attributes}>(x)",
            x=real(*shape),
            kinks=(0,),
            dims=dims_for(attributes),
        )
        for what, attributes, shape in WINDOWS
        for p in ((1, 2, 3) if what == "overlap" else (2,))
        if "ceil" not in what or "pads" not in what
    ),
    *(
        case(f"GlobalLpPool/p {p}, {len(shape)} axes", f"y = GlobalLpPool<p = {p}>(x)", x=real(*shape), kinks=(0,))
        for p in (1, 2, 3)
        for shape in ((2, 3, 4), (2, 2, 3, 3))
    ),
    *(
        case(f"{op}/{what}", f"y = {op}(x)", x=real(*shape))
        for op in ("GlobalAveragePool", "GlobalMaxPool")
        for what, shape in {
            "2-D": (2, 3, 4, 5),
            "1-D": (2, 3, 5),
            "one pixel": (2, 3, 1, 1),
            "3-D": (2, 2, 2, 3, 2),
        }.items()
    ),
]
