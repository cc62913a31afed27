"""Operators that put values at indices, select, or order."""

from tests.cases.case import case, constant, fed, given, positive, real

REDUCTIONS = ("none", "add", "mul", "max", "min")

CASES = [
    *(
        case(
            f"ScatterElements/{how}",
            f'y = ScatterElements<axis = 1, reduction = "{how}">(x, i, u)',
            x=real(2, 4),
            i=constant([[0, -1], [2, 1]]),
            u=real(2, 2),
        )
        for how in REDUCTIONS
    ),
    *(
        case(
            f"ScatterElements/{how}, duplicates",
            f'y = ScatterElements<reduction = "{how}">(x, i, u)',
            x=real(3, 2),
            i=fed([[1, 1], [1, 0], [1, -1]]),
            u=real(3, 2),
        )
        for how in REDUCTIONS[1:]
    ),
    case(
        "ScatterElements/zeros",
        'y = ScatterElements<reduction = "mul">(x, i, u)',
        x=given([0.0, 2.0, 3.0]),
        i=constant([1, 1, 0, 2, 2]),
        u=given([0.0, 0.5, 2.0, 0.0, 0.0]),
    ),
    *(
        case(
            f"ScatterND/{how}",
            f'y = ScatterND<reduction = "{how}">(x, i, u)',
            x=real(4, 3),
            i=constant([[2], [0]]),
            u=real(2, 3),
        )
        for how in REDUCTIONS
    ),
    *(
        case(
            f"ScatterND/{how}, duplicates",
            f'y = ScatterND<reduction = "{how}">(x, i, u)',
            x=real(3, 2),
            i=fed([[1, 1], [-2, 1], [1, 1], [0, 0]]),
            u=real(4),
        )
        for how in REDUCTIONS[1:]
    ),
    case("Scatter", "y = Scatter<axis = 1>(x, i, u)", x=real(2, 4), i=constant([[0], [2]]), u=real(2, 1), opset=9),
    *(
        case(
            f"TensorScatter/{mode}",
            f'y = TensorScatter<mode = "{mode}">(x, u, w)',
            x=real(2, 2, 4, 3),
            u=real(2, 2, 2, 3),
            w=fed(at),
            opset=24,
        )
        for mode, at in {"linear": [1, 2], "circular": [3, 1]}.items()
    ),
    case(
        "TensorScatter/no indices, axis",
        "y = TensorScatter<axis = 1>(x, u)",
        x=real(2, 4, 3),
        u=real(2, 2, 3),
        opset=24,
    ),
    case("Compress", "y = Compress<axis = 0>(x, c)", x=real(4, 2), c=constant([True, False, True])),
    case("Compress/last axis", "y = Compress<axis = -1>(x, c)", x=real(2, 3), c=fed([False, True, True])),
    case("Compress/flattened", "y = Compress(x, c)", x=real(2, 3), c=fed([False, True, True, False, True])),
    case("TopK", "y, i = TopK(x, k)", x=real(3, 5), k=constant([2])),
    case("TopK/axis, smallest, k as input", "y, i = TopK<axis = 0, largest = 0>(x, k)", x=real(5, 3), k=fed([3])),
    *(
        case(
            f"CumSum/axis {axis}, exclusive {exclusive}, reverse {reverse}",
            f"y = CumSum<exclusive = {exclusive}, reverse = {reverse}>(x, a)",
            x=real(2, 4, 3),
            a=constant(axis),
        )
        for axis in (1, -1)
        for exclusive in (0, 1)
        for reverse in (0, 1)
    ),
    case("CumSum/axis as input", "y = CumSum(x, a)", x=real(2, 3), a=fed(0, "int32")),
    *(
        case(
            f"CumProd/exclusive {exclusive}, reverse {reverse}{what}",
            f"y = CumProd<exclusive = {exclusive}, reverse = {reverse}>(x, a)",
            x=x,
            a=constant(1),
            opset=26,
        )
        for exclusive in (0, 1)
        for reverse in (0, 1)
        for what, x in {"": positive(2, 4), ", zeros": given([[2.0, 0.0, 3.0, 1.5], [0.0, 2.0, 0.0, 3.0]])}.items()
    ),
    case("ReverseSequence", "y = ReverseSequence(x, l)", x=real(4, 3), l=constant([4, 1, 2])),
    case(
        "ReverseSequence/batch first",
        "y = ReverseSequence<batch_axis = 0, time_axis = 1>(x, l)",
        x=real(2, 4, 2),
        l=fed([3, 2]),
    ),
]
