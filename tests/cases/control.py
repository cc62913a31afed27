"""Operators with subgraphs. What a branch or body reads from outside has a gradient too."""

from tests.cases.case import case, constant, fed, real, weight

TWO = (
    "y, z = If(c) <then_branch = t () => (a, b) { a = Mul(x, w)  b = Sigmoid(x) },"
    " else_branch = e () => (p, q) { p = Sub(x, v)  q = Mul(p, v) }>"
)
NESTED = (
    "y = If(c) <then_branch = t () => (a) { h = Tanh(x)"
    " i = If(d) <then_branch = tt () => (m) { m = Mul(h, w) }, else_branch = te () => (n) { n = Mul(h, x) }>"
    " a = Mul(i, v) }, else_branch = e () => (p) { p = Mul(x, x) }>"
)
OUTER = (
    "h = Mul(x, x)"
    " y = If(c) <then_branch = t () => (a) { a = Mul(h, h) }, else_branch = e () => (b) { b = Identity(x) }>"
)
CONSTANT = (
    "y = If(c) <then_branch = t () => (a) { two = Constant<value_float = 2.0>()  a = Mul(x, two) },"
    " else_branch = e () => (b) { zero = Constant<value = float[1] {3}>()  b = Add(zero, w) }>"
)

CASES = [
    *(case(f"If/two outputs, {c}", TWO, c=fed(c), x=real(2, 3), w=real(3), v=weight(2, 3)) for c in (True, False)),
    *(case(f"If/an outer activation, {c}", OUTER, c=fed(c), x=real(2, 3)) for c in (True, False)),
    *(
        case(f"If/nested, {c} {d}", NESTED, c=fed(c), d=fed(d), x=real(2, 3), w=real(3), v=weight(2, 3))
        for c, d in ((True, True), (True, False), (False, True))
    ),
    case("If/known condition", NESTED, c=constant(True), d=fed(False), x=real(2, 3), w=real(3), v=weight(2, 3)),
    case("If/constants in branches", CONSTANT, c=fed(True), x=real(3), w=real(3)),
    case("If/the other branch of constants", CONSTANT, c=fed(False), x=real(3), w=real(3)),
]
