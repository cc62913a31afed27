"""Operators that only move values, and the shape arithmetic around them."""

from tests.cases.case import case, constant, fed, given, real

RESHAPE = [
    # what, attributes, x, shape
    ("plain", "", (2, 6), [3, 4]),
    ("-1", "", (2, 3, 4), [2, -1]),
    ("0 copies", "", (2, 3, 4), [0, -1]),
    ("0 and 0", "", (2, 3, 4), [0, 0, 2, 2]),
    ("to a vector", "", (2, 3), [-1]),
    ("to a scalar", "", (1, 1), []),
    ("from a scalar", "", (), [1, 1]),
    ("allowzero", "allowzero = 1", (2, 6), [4, 3]),
]

SLICE = [
    # what, x, starts, ends, axes, steps
    ("axes left out", (4, 5), [1, 0], [3, 4], None, None),
    ("one axis", (4, 5), [1], [3], [1], None),
    ("negative axis", (2, 3, 5), [1], [4], [-1], None),
    ("steps", (2, 7), [1], [7], [1], [2]),
    ("steps beyond the end", (2, 7), [0], [6], [1], [4]),
    ("negative starts and ends", (4, 6), [-3, -5], [-1, -1], [0, 1], None),
    ("huge ends", (4, 6), [1, 2], [9223372036854775807, 1000], [0, 1], None),
    ("starts before the first", (4, 6), [-100], [3], [1], None),
    ("negative step", (2, 6), [-1], [-9223372036854775807], [1], [-1]),
    ("negative step of two", (2, 7), [5], [0], [1], [-2]),
    ("two axes in disorder", (4, 6), [5, 0], [0, 4], [1, 0], [-2, 3]),
    ("nothing left of one axis", (3, 4), [2], [2], [1], None),
]

SPLIT = [
    # what, outputs, attributes, x, sizes
    ("equal parts", "a, b", "num_outputs = 2", (4, 3), None),
    ("uneven parts", "a, b, c", "num_outputs = 3, axis = 1", (2, 7), None),
    ("sizes", "a, b", "axis = -1", (2, 5), [2, 3]),
    ("sizes on axis 0", "a, b, c", "", (6, 2), [1, 2, 3]),
]

PAD = [
    # what, attributes, x, pads
    ("constant", "", (3, 4), [1, 0, 2, 3]),
    ("reflect", 'mode = "reflect"', (4, 5), [1, 2, 3, 4]),
    ("edge", 'mode = "edge"', (3, 4), [2, 1, 0, 3]),
    ("wrap", 'mode = "wrap"', (3, 4), [2, 1, 0, 3]),
    ("negative", "", (4, 5), [-1, 1, 0, -2]),
    ("image", 'mode = "reflect"', (2, 2, 4, 4), [0, 0, 1, 2, 0, 0, 2, 1]),
]


def slice_case(what, x, starts, ends, axes, steps):
    given = {"starts": starts, "ends": ends, "axes": axes, "steps": steps}
    names = [name if given[name] is not None else "" for name in given]
    call = ", ".join(["x", *names]).rstrip(", ")
    return case(
        f"Slice/{what}", f"y = Slice({call})", x=real(*x), **{n: constant(v) for n, v in given.items() if v is not None}
    )


def split_case(what, outputs, attributes, x, sizes):
    if sizes is None:
        return case(f"Split/{what}", f"{outputs} = Split<{attributes}>(x)", x=real(*x))
    return case(f"Split/{what}", f"{outputs} = Split<{attributes}>(x, sizes)", x=real(*x), sizes=constant(sizes))


CASES = [
    *(
        case(f"Reshape/{what}", f"y = Reshape<{attributes}>(x, s)", x=real(*x), s=constant(shape, "int64"))
        for what, attributes, x, shape in RESHAPE
    ),
    case("Reshape/shape as input", "y = Reshape(x, s)", x=real(2, 6), s=fed([3, 4])),
    case(
        "Reshape/shape computed",
        "s = Shape(x) b = Gather(s, zero) d = Concat<axis = 0>(b, rest) y = Reshape(x, d)",
        x=real(2, 3, 4),
        zero=constant([0]),
        rest=constant([-1]),
    ),
    case(
        "Reshape/Shape with start",
        "b = Shape<start = 0, end = 1>(x) d = Concat<axis = 0>(b, rest) y = Reshape(x, d)",
        x=real(2, 3, 4),
        rest=constant([2, 6]),
    ),
    case(
        "Reshape/Shape, Slice, Mul, Unsqueeze, Cast",
        "s = Shape(x) h = Slice(s, one, two) d = Squeeze(h) m = Mul(d, four) c = Cast<to = 7>(m) u = Unsqueeze(c, axis)"
        " t = Concat<axis = 0>(minus, u) y = Reshape(x, t)",
        x=real(2, 3, 4),
        one=constant([1]),
        two=constant([2]),
        four=constant(4),
        axis=constant([0]),
        minus=constant([-1]),
    ),
    *(case(f"Flatten/axis {axis}", f"y = Flatten<axis = {axis}>(x)", x=real(2, 3, 4)) for axis in (0, 1, 2, 3, -1)),
    case("Transpose", "y = Transpose(x)", x=real(2, 3, 4)),
    case("Transpose/perm", "y = Transpose<perm = [1, 2, 0]>(x)", x=real(2, 3, 4)),
    case("Transpose/perm of an image", "y = Transpose<perm = [0, 3, 1, 2]>(x)", x=real(2, 3, 4, 2)),
    case("Concat", "y = Concat<axis = 1>(a, b)", a=real(2, 3), b=real(2, 1)),
    case(
        "Concat/negative axis, three",
        "y = Concat<axis = -2>(a, b, c)",
        a=real(2, 1, 3),
        b=real(2, 2, 3),
        c=real(2, 3, 3),
    ),
    case("Concat/the same tensor twice", "y = Concat<axis = 0>(a, a)", a=real(2, 3)),
    case(
        "Concat/a constant between",
        "y = Concat<axis = 1>(a, k, b)",
        a=real(2, 2),
        k=constant([[1.0], [2.0]]),
        b=real(2, 1),
        dims=(),
    ),
    *(split_case(*row) for row in SPLIT),
    case("Split/opset 13, equal parts", "a, b, c = Split<axis = 1>(x)", x=real(2, 6), opset=13),
    case("Split/opset 11, sizes", "a, b = Split<axis = 1, split = [2, 3]>(x)", x=real(2, 5), opset=11),
    case(
        "Split/one part unused",
        "a, b = Split<axis = 1>(x, sizes) y = Mul(a, a) z = Shape(b)",
        x=real(2, 5),
        sizes=constant([2, 3]),
    ),
    *(slice_case(*row) for row in SLICE),
    case("Slice/opset 9", "y = Slice<axes = [1], starts = [1], ends = [-1]>(x)", x=real(2, 5), opset=9),
    case(
        "Slice/bounds as inputs",
        "y = Slice(x, starts, ends, axes, steps)",
        x=real(3, 7),
        starts=fed([1]),
        ends=fed([6]),
        axes=constant([1]),
        steps=constant([2]),
    ),
    *(
        case(f"Pad/{what}", f"y = Pad<{attributes}>(x, pads)", x=real(*x), pads=constant(pads))
        for what, attributes, x, pads in PAD
    ),
    case("Pad/value", "y = Pad(x, pads, v)", x=real(2, 3), pads=constant([0, 1, 1, 0]), v=constant(1.5)),
    case(
        "Pad/axes",
        "y = Pad(x, pads, v, axes)",
        x=real(2, 3, 4),
        pads=constant([1, 2]),
        v=constant(0.0),
        axes=constant([-1]),
    ),
    case(
        "Pad/axes in disorder, edge",
        'y = Pad<mode = "edge">(x, pads, , axes)',
        x=real(2, 3, 4),
        pads=constant([1, 2, 0, 3]),
        axes=constant([2, 0]),
    ),
    case("Pad/opset 10", "y = Pad<pads = [0, 1, 2, 0], value = 0.5>(x)", x=real(2, 3), opset=10),
    case("Pad/pads as input", "y = Pad(x, pads)", x=real(2, 3), pads=fed([1, 0, 0, 2])),
    case("Expand", "y = Expand(x, s)", x=real(2, 1), s=constant([2, 4])),
    case("Expand/more axes", "y = Expand(x, s)", x=real(3, 1), s=constant([2, 1, 4])),
    case("Expand/both ways", "y = Expand(x, s)", x=real(3, 1), s=constant([1, 2])),
    case("Expand/shorter shape", "y = Expand(x, s)", x=real(2, 3, 1), s=constant([4])),
    case("Expand/a scalar", "y = Expand(x, s)", x=real(), s=constant([2, 3])),
    case("Expand/shape as input", "y = Expand(x, s)", x=real(1, 3), s=fed([4, 1])),
    case("Tile", "y = Tile(x, r)", x=real(2, 3), r=constant([2, 3])),
    case("Tile/one axis", "y = Tile(x, r)", x=real(2, 3, 2), r=constant([1, 4, 1])),
    case("Tile/repeats as input", "y = Tile(x, r)", x=real(2, 3), r=fed([3, 1])),
    case("Squeeze", "y = Squeeze(x, axes)", x=real(2, 1, 3, 1), axes=constant([1])),
    case("Squeeze/negative axes", "y = Squeeze(x, axes)", x=real(2, 1, 3, 1), axes=constant([-1, 1])),
    case("Squeeze/all ones", "y = Squeeze(x)", x=real(2, 1, 3, 1), dims=()),
    case("Squeeze/opset 11", "y = Squeeze<axes = [1]>(x)", x=real(2, 1, 3), opset=11),
    case("Unsqueeze", "y = Unsqueeze(x, axes)", x=real(2, 3), axes=constant([1])),
    case("Unsqueeze/negative axes in disorder", "y = Unsqueeze(x, axes)", x=real(2, 3), axes=constant([-1, 0])),
    case("Unsqueeze/axes as a scalar of the last place", "y = Unsqueeze(x, axes)", x=real(), axes=constant([0])),
    case("Unsqueeze/opset 11", "y = Unsqueeze<axes = [0, 2]>(x)", x=real(2, 3), opset=11),
    case("DepthToSpace", "y = DepthToSpace<blocksize = 2>(x)", x=real(2, 8, 2, 3)),
    case("DepthToSpace/CRD", 'y = DepthToSpace<blocksize = 2, mode = "CRD">(x)', x=real(1, 8, 2, 3)),
    case("SpaceToDepth", "y = SpaceToDepth<blocksize = 2>(x)", x=real(2, 2, 4, 6)),
    *(
        case(
            f"CenterCropPad/{what}",
            f"y = CenterCropPad<{attributes}>(x, s)",
            x=real(3, 4, 5),
            s=constant(size),
            dims=("batch",),
        )
        for what, attributes, size in (
            ("crop", "", [2, 2, 3]),
            ("pad", "", [4, 7, 6]),
            ("both", "", [5, 2, 5]),
            ("axes", "axes = [-1, 0]", [3, 5]),
        )
    ),
    case("OptionalGetElement", "t = OptionalGetElement(x) y = Mul(t, t)", x=real(2, 3)),
    case("Trilu", "y = Trilu(x)", x=real(2, 3, 4)),
    case("Trilu/lower, shifted", "y = Trilu<upper = 0>(x, k)", x=real(4, 3), k=constant(-1)),
    case(
        "Slice/all as inputs",
        "y = Slice(x, starts, ends, axes, steps)",
        x=real(3, 7),
        starts=fed([-1, 0]),
        ends=fed([0, 9]),
        axes=fed([1, 0]),
        steps=fed([-3, 2]),
    ),
    *(
        case(f"Pad/pads as input, {mode}", f'y = Pad<mode = "{mode}">(x, pads)', x=real(3, 4), pads=fed([1, 0, 2, 3]))
        for mode in ("reflect", "edge", "wrap")
    ),
    case(
        "Pad/value as input, some of x cut off",
        "y = Pad(x, pads, v)",
        x=real(3, 4),
        pads=constant([1, -1, 0, 2]),
        v=given(0.5),
    ),
    case("Split/one part wanted", "a, b, c = Split<num_outputs = 3, axis = 1>(x) y = Mul(b, b)", x=real(2, 7)),
]
