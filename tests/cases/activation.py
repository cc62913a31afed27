"""Activation functions and softmax."""

from math import inf

from tests.cases.case import case, constant, given, real, weight

POINTWISE = [
    # name, call, kinks
    ("Relu", "Relu(x)", (0,)),
    ("LeakyRelu", "LeakyRelu(x)", (0,)),
    ("LeakyRelu/alpha", "LeakyRelu<alpha = 0.3>(x)", (0,)),
    ("Elu", "Elu(x)", (0,)),
    ("Elu/alpha", "Elu<alpha = 0.7>(x)", (0,)),
    ("Selu", "Selu(x)", (0,)),
    ("Selu/alpha and gamma", "Selu<alpha = 1.2, gamma = 0.8>(x)", (0,)),
    ("Celu", "Celu(x)", (0,)),
    ("Celu/alpha", "Celu<alpha = 0.6>(x)", (0,)),
    ("HardSigmoid", "HardSigmoid(x)", (-2.5, 2.5)),
    ("HardSigmoid/alpha and beta", "HardSigmoid<alpha = 0.4, beta = 0.3>(x)", (-0.75, 1.75)),
    ("HardSwish", "HardSwish(x)", (-3, 3)),
    ("Sigmoid", "Sigmoid(x)", ()),
    ("Tanh", "Tanh(x)", ()),
    ("Softplus", "Softplus(x)", ()),
    ("Softsign", "Softsign(x)", (0,)),
    ("Mish", "Mish(x)", ()),
    ("Gelu", "Gelu(x)", ()),
    ("Gelu/tanh", 'Gelu<approximate = "tanh">(x)', ()),
    ("ThresholdedRelu", "ThresholdedRelu(x)", (1,)),
    ("ThresholdedRelu/alpha", "ThresholdedRelu<alpha = 0.4>(x)", (0.4,)),
    ("Shrink", "Shrink(x)", (-0.5, 0.5)),
    ("Shrink/soft", "Shrink<lambd = 0.8, bias = 0.3>(x)", (-0.8, 0.8)),
]

CASES = [
    *(case(name, f"y = {call}", x=real(2, 3, 4, low=-4, high=4), kinks=kinks) for name, call, kinks in POINTWISE),
    *(
        case(f"{op}/large", f"y = {op}(x)", x=real(2, 8, low=-200, high=200))
        for op in (
            "Sigmoid",
            "Tanh",
            "Softplus",
            "Mish",
            "Gelu",
            "Softmax",
            "LogSoftmax",
            "Elu",
            "Selu",
            "Celu",
            "Softsign",
        )
    ),
    case("Swish", "y = Swish(x)", x=real(2, 3, 4), opset=24),
    case("Swish/alpha", "y = Swish<alpha = 1.7>(x)", x=real(2, 3, 4), opset=24),
    case("Sigmoid/times its input", "s = Sigmoid(x) y = Mul(x, s)", x=real(2, 3)),
    case(
        "Gelu/from primitives",
        "t = Div(x, r) e = Erf(t) p = Add(e, one) m = Mul(x, p) y = Mul(m, half)",
        x=real(2, 3),
        r=constant(1.41421356),
        one=constant(1.0),
        half=constant(0.5),
    ),
    case("PRelu", "y = PRelu(x, s)", x=real(2, 3, 4), s=weight(3, 1), kinks=(0,)),
    case("PRelu/scalar slope", "y = PRelu(x, s)", x=real(2, 3, 4), s=weight(1), kinks=(0,)),
    case("PRelu/slope per element", "y = PRelu(x, s)", x=real(2, 3), s=weight(2, 3), kinks=(0,)),
    case("Clip", "y = Clip(x, a, b)", x=real(2, 6), a=constant(-1.0), b=constant(0.5), kinks=(-1, 0.5)),
    case("Clip/minimum only", "y = Clip(x, a)", x=real(2, 6), a=constant(-1.0), kinks=(-1,)),
    case("Clip/maximum only", "y = Clip(x, , b)", x=real(2, 6), b=constant(0.5), kinks=(0.5,)),
    case("Clip/no bounds", "y = Clip(x)", x=real(2, 6)),
    case(
        "Clip/bounds made by nodes",
        "a = Constant<value_float = 0.0>() b = Constant<value_float = 1.5>() y = Clip(x, a, b)",
        x=real(2, 6),
        kinks=(0, 1.5),
    ),
    case("Clip/opset 6", "y = Clip<min = 0.0, max = 1.5>(x)", x=real(2, 6), kinks=(0, 1.5), opset=10),
    case("Clip/opset 6, maximum only", "y = Clip<max = 0.5>(x)", x=real(2, 6), kinks=(0.5,), opset=10),
    *(
        case(f"{op}/axis {axis}", f"y = {op}<axis = {axis}>(x)", x=real(2, 3, 4))
        for op in ("Softmax", "LogSoftmax")
        for axis in (0, 1, -1)
    ),
    *(case(f"{op}/default axis", f"y = {op}(x)", x=real(2, 3, 4)) for op in ("Softmax", "LogSoftmax")),
    *(
        case(f"{op}/opset 11, axis {axis}", f"y = {op}<axis = {axis}>(x)", x=real(2, 3, 2, 2), opset=11)
        for op in ("Softmax", "LogSoftmax")
        for axis in (0, 1, 2, -1, -2)
    ),
    *(
        case(f"{op}/opset 11, default axis", f"y = {op}(x)", x=real(2, 3, 4), opset=11)
        for op in ("Softmax", "LogSoftmax")
    ),
    case("Hardmax/times its input", "h = Hardmax<axis = 1>(x) y = Mul(x, h)", x=real(2, 3, 4)),
    case(
        "Softmax/masked", "m = Add(x, mask) y = Softmax(m)", x=real(2, 3), mask=constant([[0, -inf, 0], [0, 0, -inf]])
    ),
    case(
        "Softmax/a row that a mask hides",
        "m = Add(x, mask) s = Softmax(m) n = IsNaN(s) y = Where(n, zero, s)",
        x=real(2, 3),
        mask=constant([[-inf, -inf, -inf], [0, 0, -inf]]),
        zero=constant(0.0),
    ),
    case("Clip/bounds as inputs", "y = Clip(x, a, b)", x=real(2, 6), a=given(-1.0), b=given(0.5), kinks=(-1, 0.5)),
    case("Clip/minimum above the maximum", "y = Clip(x, a, b)", x=real(2, 6), a=given(0.5), b=given(-1.0)),
    case("Clip/maximum as input", "y = Clip(x, , b)", x=real(2, 6), b=given(0.5), kinks=(0.5,)),
]
