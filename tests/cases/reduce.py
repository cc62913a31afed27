"""Reductions, with axes as an attribute (older opsets) and as an input."""

from tests.cases.case import Tensor, case, constant, given, positive, real

SIGNED = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
]
POSITIVE = ["ReduceLogSum"]

FORMS = [
    # what, attributes, axes
    ("all axes", "", None),
    ("all axes, dropped", "keepdims = 0", None),
    ("last axis", "", [-1]),
    ("axis 1, dropped", "keepdims = 0", [1]),
    ("two axes", "", [0, 2]),
    ("two axes in disorder, dropped", "keepdims = 0", [-1, 0]),
    ("no axes are no reduction", "noop_with_empty_axes = 1", None),
    ("empty axes are no reduction", "noop_with_empty_axes = 1, keepdims = 0", []),
    ("empty axes are all axes", "keepdims = 0", []),
]


def operand(op):
    return Tensor((2, 3, 4), 0.3, 2.3) if op in POSITIVE else real(2, 3, 4)


def with_input(op, what, attributes, axes):
    if axes is None:
        return case(f"{op}/{what}", f"y = {op}<{attributes}>(x)", x=operand(op), kinks=(0,))
    return case(
        f"{op}/{what}", f"y = {op}<{attributes}>(x, axes)", x=operand(op), axes=constant(axes, "int64"), kinks=(0,)
    )


def with_attribute(op, axes, keepdims):
    return case(
        f"{op}/opset 11, axes {axes}, keepdims {keepdims}",
        f"y = {op}<axes = {axes}, keepdims = {keepdims}>(x)",
        x=operand(op),
        opset=11,
        kinks=(0,),
    )


CASES = [
    *(with_input(op, *form) for op in SIGNED + POSITIVE for form in FORMS),
    *(with_attribute(op, axes, keepdims) for op in SIGNED + POSITIVE for axes, keepdims in (([1, 2], 1), ([-2], 0))),
    case("ReduceSum/a vector to a scalar", "y = ReduceSum<keepdims = 0>(x)", x=real(5)),
    case("ReduceMean/opset 13, all axes", "y = ReduceMean<keepdims = 0>(x)", x=real(2, 3), opset=13),
    case("ReduceProd/of three", "y = ReduceProd(x, axes)", x=positive(2, 3), axes=constant([1])),
    case(
        "ReduceProd/zeros", "y = ReduceProd(x, axes)", x=given([[2.0, 0.0, 3.0], [0.0, 0.5, 0.0]]), axes=constant([1])
    ),
    case("ReduceLogSumExp/large", "y = ReduceLogSumExp(x, axes)", x=real(2, 5, low=-300, high=300), axes=constant([1])),
]
