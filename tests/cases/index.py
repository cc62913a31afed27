"""Operators that pick values by index."""

from tests.cases.case import case, constant, fed, real, weight

GATHER = [
    # what, axis, x, indices
    ("axis 0", 0, (4, 3), [2, 0]),
    ("axis 1", 1, (2, 4), [3, 1, 0]),
    ("negative axis", -1, (2, 3, 4), [1, 2]),
    ("negative indices", 1, (2, 4), [-1, 0, -3]),
    ("duplicate indices", 0, (4, 3), [1, 1, 3, 1]),
    ("duplicate and negative, inner axis", 1, (2, 3, 2), [2, -1, 0]),
    ("a scalar index", 1, (2, 3, 4), 1),
    ("a scalar index of axis 0", 0, (3, 4), -1),
    ("indices of two dimensions", 1, (2, 4, 3), [[0, 3], [2, 0]]),
    ("of a vector", 0, (5,), [[4, 0], [4, 2]]),
]

CASES = [
    *(
        case(f"Gather/{what}", f"y = Gather<axis = {axis}>(x, i)", x=real(*x), i=constant(indices))
        for what, axis, x, indices in GATHER
    ),
    case("Gather/indices as input", "y = Gather<axis = 1>(x, i)", x=real(2, 4), i=fed([1, -1, 1])),
    case("Gather/int32 indices", "y = Gather(x, i)", x=real(4, 2), i=fed([3, 0, 3], "int32")),
    case("Gather/embedding", "y = Gather(table, i)", table=weight(6, 3), i=fed([[0, 5], [2, 0]])),
    case("GatherElements", "y = GatherElements<axis = 1>(x, i)", x=real(2, 3), i=constant([[0, 2], [1, 1]])),
    case("GatherElements/axis 0, negative", "y = GatherElements(x, i)", x=real(3, 2), i=fed([[-1, 0], [-1, 1]])),
    *(
        case(
            f"OneHot/axis {axis}",
            f"y = OneHot<axis = {axis}>(i, d, v)",
            i=fed([[1, 0], [-1, 2]]),
            d=constant(3),
            v=real(2),
        )
        for axis in (-1, 1, 0)
    ),
    case("GatherND", "y = GatherND(x, i)", x=real(3, 4), i=constant([[0, 1], [2, -1], [0, 1]])),
    case("GatherND/whole rows", "y = GatherND(x, i)", x=real(3, 2, 2), i=constant([[2], [0], [-1]])),
    case(
        "GatherND/batch_dims",
        "y = GatherND<batch_dims = 1>(x, i)",
        x=real(2, 3, 2),
        i=constant([[[1], [-1]], [[0], [0]]]),
    ),
    case(
        "GatherND/two batch_dims, indices as input",
        "y = GatherND<batch_dims = 2>(x, i)",
        x=real(2, 2, 3, 2),
        i=fed([[[[1], [1]], [[0], [2]]], [[[-1], [0]], [[2], [2]]]]),
    ),
]
