"""Unary and binary arithmetic, selection, casts."""

from tests.cases.case import case, constant, fed, given, positive, real, weight

UNARY = [
    # operator, low, high, kinks
    ("Abs", -2, 2, (0,)),
    ("Neg", -2, 2, ()),
    ("Exp", -2, 2, ()),
    ("Log", 0.3, 3, ()),
    ("Sqrt", 0.3, 3, ()),
    ("Reciprocal", 0.4, 2, ()),
    ("Erf", -2, 2, ()),
    ("Sin", -2, 2, ()),
    ("Cos", -2, 2, ()),
    ("Tan", -1, 1, ()),
    ("Asin", -0.8, 0.8, ()),
    ("Acos", -0.8, 0.8, ()),
    ("Atan", -2, 2, ()),
    ("Sinh", -2, 2, ()),
    ("Cosh", -2, 2, ()),
    ("Asinh", -2, 2, ()),
    ("Acosh", 1.3, 3, ()),
    ("Atanh", -0.8, 0.8, ()),
    ("Identity", -2, 2, ()),
]

STEPS = ["Floor", "Ceil", "Round", "Sign"]

BROADCASTS = {
    "equal": ((2, 3), (2, 3)),
    "right is a scalar": ((2, 3), ()),
    "left is a scalar": ((), (2, 3)),
    "right has a lower rank": ((2, 3, 4), (3, 4)),
    "left has a lower rank": ((4,), (2, 3, 4)),
    "right has ones": ((2, 3, 4), (2, 1, 4)),
    "left has ones": ((1, 3), (2, 3)),
    "both have ones": ((2, 1, 4), (3, 1)),
    "ones on both sides of both": ((1, 3, 1), (2, 1, 4)),
}

CASES = [
    *(case(f"{op}", f"y = {op}(x)", x=real(2, 3, low=low, high=high), kinks=kinks) for op, low, high, kinks in UNARY),
    *(
        case(
            f"{op}/times its input", f"s = {op}(x) y = Mul(x, s)", x=real(2, 6), kinks=(-1.5, -1, -0.5, 0, 0.5, 1, 1.5)
        )
        for op in STEPS
    ),
    *(
        case(f"{op}/{how}", f"y = {op}(a, b)", a=real(*a), b=real(*b))
        for op in ("Add", "Sub", "Mul")
        for how, (a, b) in BROADCASTS.items()
    ),
    *(case(f"Div/{how}", "y = Div(a, b)", a=real(*a), b=positive(*b)) for how, (a, b) in BROADCASTS.items()),
    *(case(f"Pow/{how}", "y = Pow(a, b)", a=positive(*a), b=real(*b)) for how, (a, b) in BROADCASTS.items()),
    *(
        case(f"{op}/{how}", f"y = {op}(a, b)", a=real(*a), b=real(*b, low=-1.9, high=2.13))
        for op in ("Max", "Min", "Sum", "Mean")
        for how, (a, b) in BROADCASTS.items()
    ),
    *(case(f"{op}/one", f"y = {op}(a)", a=real(2, 3)) for op in ("Max", "Min", "Sum", "Mean")),
    *(
        case(f"{op}/three", f"y = {op}(a, b, c)", a=real(2, 3, 4), b=real(3, 1, low=-1.9), c=real(4, high=2.13))
        for op in ("Max", "Min", "Sum", "Mean")
    ),
    case("Add/a weight", "y = Add(x, b)", x=real(2, 3), b=weight(3)),
    case("Mul/by itself", "y = Mul(x, x)", x=real(2, 3)),
    case("Div/by a constant", "y = Div(x, c)", x=real(2, 3), c=constant(1.5)),
    case("Div/negative divisor", "y = Div(a, b)", a=real(2, 3), b=real(2, 3, low=-2, high=-0.4)),
    case("Pow/square of negative numbers", "y = Pow(x, c)", x=real(2, 3), c=constant(2.0)),
    case("Pow/cube of negative numbers", "y = Pow(x, c)", x=real(2, 3), c=constant(3.0)),
    case("Pow/integer exponent", "y = Pow(x, c)", x=real(2, 3), c=constant(3)),
    case("Pow/square root", "y = Pow(x, c)", x=positive(2, 3), c=constant(0.5)),
    case("Pow/exponents of a row", "y = Pow(x, c)", x=positive(2, 3), c=constant([-1.0, 0.0, 2.5])),
    case("Pow/square at zero", "y = Pow(x, c)", x=given([-1.0, 0.0, 2.0]), c=constant(2.0)),
    case("Pow/first and zeroth power at zero", "y = Pow(x, c)", x=given([0.0, 0.0, -1.5]), c=constant([1.0, 0.0, 1.0])),
    case("Where", "y = Where(c, a, b)", c=fed([[True, False, True], [False, False, True]]), a=real(2, 3), b=real(2, 3)),
    case("Where/broadcast values", "y = Where(c, a, b)", c=fed([[True], [False]]), a=real(3), b=real(2, 2, 1)),
    case("Where/constant branch", "y = Where(c, a, b)", c=fed([True, False, True]), a=real(2, 3), b=constant(-1.0)),
    case(
        "Where/compared",
        "z = Constant<value_float = 0.0>() c = Greater(x, z) y = Where(c, x, b)",
        x=real(2, 4),
        b=real(4),
        kinks=(0,),
    ),
    case("Cast/float to double and back", "t = Cast<to = 11>(x) s = Mul(t, t) y = Cast<to = 1>(s)", x=real(2, 3)),
    case(
        "Cast/through integers", "i = Cast<to = 7>(x) s = Cast<to = 1>(i) y = Mul(x, s)", x=real(2, 6), kinks=(-1, 0, 1)
    ),
    case("CastLike", "t = CastLike(x, d) s = Mul(t, t) y = CastLike(s, x)", x=real(2, 3), d=constant(1.0, "float64")),
    case("Dropout/inference", "y = Dropout(x)", x=real(2, 3)),
    case("Dropout/ratio as input", "y, mask = Dropout(x, r, t)", x=real(2, 3), r=constant(0.4), t=constant(False)),
    case("Mod", "y = Mod<fmod = 1>(a, b)", a=given([[3.3, -4.1, 0.7]]), b=given([[1.2], [-1.9]])),
    case("Range/start and step", "y = Range(a, l, d)", a=given(0.3), l=constant(4.1), d=given(1.5), dims=()),
    case("EyeLike", "e = EyeLike(x) y = Mul(e, x)", x=real(3, 3)),
    case("Dropout/opset 10", "y = Dropout<ratio = 0.3>(x)", x=real(2, 3), opset=10),
    case("Constant", "c = Constant<value_floats = [1.0, -2.0, 3.0]>() y = Mul(x, c)", x=real(2, 3)),
    case("Pow/exponent as input, of zero", "y = Pow(x, c)", x=constant([0.0, 2.0]), c=given([1.5, 0.5]), dims=()),
    case("Pow/integer exponents of a row", "y = Pow(x, c)", x=given([0.0, 0.0, -1.5]), c=constant([0, 1, 3])),
    case("Max/one input has lower rank and ties with none", "y = Max(a, b)", a=real(2, 3), b=given([-5.0, 0.01, 5.0])),
]
