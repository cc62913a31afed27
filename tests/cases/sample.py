"""Operators that read an image at computed places."""

from tests.cases.case import case, constant, given, real, weight

GRID = [[-0.9, -0.35], [0.13, 0.62], [-1.43, 0.2], [0.71, 1.3], [-0.62, -1.22], [0.31, -0.11]]
PADDING = ("zeros", "border", "reflection")

CASES = [
    *(
        case(
            f"GridSample/{mode}, {padding}, align_corners {align}",
            f'y = GridSample<mode = "{mode}", padding_mode = "{padding}", align_corners = {align}>(x, g)',
            x=real(1, 2, 4, 5),
            g=given([[GRID[:3], GRID[3:]]]),
            dims=("all",),
        )
        for mode in ("linear", "nearest", "cubic")
        for padding in PADDING
        for align in (0, 1)
    ),
    *(
        case(
            f"GridSample/3-D, {mode}, {padding}",
            f'y = GridSample<mode = "{mode}", padding_mode = "{padding}">(x, g)',
            x=real(2, 2, 2, 3, 3),
            g=real(2, 1, 2, 2, 3, low=-0.8, high=0.83),
            dims=("batch",),
        )
        for mode in ("linear", "nearest")
        for padding in PADDING
    ),
    case(
        "GridSample/opset 16",
        'y = GridSample<mode = "bilinear">(x, g)',
        x=real(1, 1, 3, 3),
        g=given([[GRID]]),
        opset=16,
    ),
    *(
        case(
            f"AffineGrid/{what}, align_corners {align}",
            f"y = AffineGrid<align_corners = {align}>(theta, size)",
            theta=real(2, len(size) - 2, len(size) - 1),
            size=constant([2, 3, *size[2:]]),
            dims=("batch",),
        )
        for what, size in {"2-D": (2, 3, 3, 4), "3-D": (2, 3, 2, 3, 4)}.items()
        for align in (0, 1)
    ),
    case(
        "DeformConv",
        "y = DeformConv<kernel_shape = [2, 2], pads = [1, 0, 0, 1]>(x, w, offset, b, mask)",
        x=real(1, 2, 4, 4),
        w=weight(3, 2, 2, 2),
        offset=real(1, 8, 4, 4, low=-0.43, high=0.41),
        kinks=(0,),
        b=weight(3),
        mask=real(1, 4, 4, 4),
        dims=("batch",),
    ),
    case(
        "DeformConv/groups, strides, dilations",
        "y = DeformConv<group = 2, offset_group = 2, strides = [2, 1], dilations = [1, 2]>(x, w, offset)",
        x=real(2, 4, 5, 5),
        w=weight(2, 2, 2, 2),
        offset=real(2, 16, 2, 3, low=-0.43, high=0.41),
        kinks=(0,),
        dims=("batch",),
    ),
]
