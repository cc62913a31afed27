"""ConvTranspose, and what else undoes a window: MaxUnpool, Col2Im."""

from tests.cases.case import case, constant, fed, real, weight

FORMS = [
    # what, attributes, x, W, groups
    ("plain", "", (2, 3, 4, 5), (3, 2, 3, 3), 1),
    ("strides", "strides = [2, 3]", (2, 3, 3, 4), (3, 2, 3, 3), 1),
    ("strides larger than the kernel", "strides = [3, 3]", (1, 2, 3, 3), (2, 2, 2, 2), 1),
    ("pads", "pads = [1, 0, 2, 1]", (1, 2, 4, 5), (2, 3, 3, 3), 1),
    (
        "strides, pads, output_padding",
        "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1]",
        (2, 2, 3, 4),
        (2, 3, 3, 3),
        1,
    ),
    ("dilations", "dilations = [2, 3]", (1, 2, 4, 4), (2, 2, 3, 2), 1),
    (
        "dilations, strides, pads",
        "dilations = [2, 1], strides = [2, 2], pads = [1, 1, 0, 2]",
        (1, 2, 4, 4),
        (2, 2, 3, 3),
        1,
    ),
    ("groups", "group = 2, strides = [2, 1]", (2, 4, 3, 4), (4, 3, 3, 3), 2),
    ("depthwise", "group = 3, strides = [2, 2], pads = [1, 1, 1, 1]", (1, 3, 4, 4), (3, 1, 4, 4), 3),
    ("1-D", "strides = [2], dilations = [2]", (2, 3, 5), (3, 2, 3), 1),
    ("3-D", "strides = [1, 2, 2], pads = [1, 0, 0, 1, 1, 0], group = 2", (1, 2, 3, 2, 3), (2, 2, 2, 2, 3), 2),
    ("kernel_shape given", "kernel_shape = [2, 2], strides = [2, 2]", (1, 2, 3, 3), (2, 3, 2, 2), 1),
]

SIZED = [
    ("SAME_UPPER", 'auto_pad = "SAME_UPPER", strides = [2, 2]', (1, 2, 3, 4), (2, 2, 3, 3), 1),
    ("SAME_LOWER", 'auto_pad = "SAME_LOWER", strides = [2, 3]', (1, 2, 3, 4), (2, 2, 4, 4), 1),
    ("output_shape", "output_shape = [6, 8], strides = [2, 2]", (1, 2, 3, 4), (2, 2, 3, 3), 1),
    (
        "output_shape, SAME_UPPER",
        'output_shape = [6, 7], auto_pad = "SAME_UPPER", strides = [2, 2]',
        (1, 2, 3, 4),
        (2, 2, 4, 4),
        1,
    ),
]


def transposed(what, attributes, x, w, group, **options):
    call = f"y = ConvTranspose<{attributes}>(x, w, b)"
    return case(f"ConvTranspose/{what}", call, x=real(*x), w=weight(*w), b=weight(w[1] * group), **options)


CASES = [
    *(transposed(*row) for row in FORMS),
    *(transposed(*row, dims=("batch",)) for row in SIZED),
    case("ConvTranspose/no bias", "y = ConvTranspose(x, w)", x=real(1, 2, 4, 4), w=weight(2, 3, 2, 2)),
    case(
        "MaxUnpool",
        "y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i)",
        x=real(1, 2, 2, 2),
        i=constant([[[[0, 3], [8, 15]], [[17, 22], [25, 31]]]]),
        dims=("batch",),
    ),
    case("Col2Im", "y = Col2Im(x, size, block)", x=real(2, 12, 6), size=constant([4, 3]), block=constant([2, 2])),
    case(
        "Col2Im/strides, pads, dilations",
        "y = Col2Im<strides = [2, 1], pads = [1, 0, 1, 2], dilations = [1, 2]>(x, size, block)",
        x=real(1, 8, 9),
        size=constant([5, 3]),
        block=constant([2, 2]),
    ),
    case("Col2Im/3-D, sizes as input", "y = Col2Im(x, s, b)", x=real(1, 8, 4), s=fed([2, 3, 3]), b=fed([2, 2, 2])),
]
