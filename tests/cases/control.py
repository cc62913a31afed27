"""Operators with subgraphs. What a branch or body reads from outside has a gradient too."""

import numpy as np

from tests.cases.case import case, constant, fed, real, weight

TWO = (
    "y, z = If(c) <then_branch = t () => (a, b) { a = Mul(x, w)  b = Sigmoid(x) },"
    " else_branch = e () => (p, q) { p = Sub(x, v)  q = Mul(p, v) }>"
)
SHAPES = (
    "y = If(c) <then_branch = t () => (a) { a = Mul(x, x) },"
    " else_branch = e () => (b) { s = ReduceSum<keepdims = 0>(x)  i = Shape(v)  b = Reshape(s, i) }>"
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
    *(case(f"If/branches of two shapes, {c}", SHAPES, c=fed(c), x=real(3), v=constant([1.0])) for c in (True, False)),
    case("If/known condition", NESTED, c=constant(True), d=fed(False), x=real(2, 3), w=real(3), v=weight(2, 3)),
    case("If/constants in branches", CONSTANT, c=fed(True), x=real(3), w=real(3)),
    case("If/the other branch of constants", CONSTANT, c=fed(False), x=real(3), w=real(3)),
]

SUM = (
    "y, z = Loop(M, go, x) <body = b (int64 i, bool c, v) => (c2, w, s)"
    " { c2 = Identity(c)  h = Mul(v, u)  w = Tanh(h)  s = Mul(w, w) }>"
)
EXIT = (
    "y, z = Loop(, go, x) <body = b (int64 i, bool c, v) => (c2, w, s)"
    " { w = Mul(v, u)  n = ReduceSum<keepdims = 0>(w)  c2 = Less(n, limit)  s = Sin(v) }>"
)
SCANNED = (
    "y0, z = Loop(M, go, zero) <body = b (int64 i, bool c, v) => (c2, w, s)"
    " { c2 = Identity(c)  s = Mul(v, u)  w = Add(v, x) }>  y = Shape(y0)"
)
TWO_STATES = (
    "p, q = Loop(M, , x, k) <body = b (int64 i, bool c, v, n) => (c2, w, m)"
    " { c2 = Identity(c)  f = Cast<to = 1>(n)  w0 = Mul(v, u)  w = Mul(w0, f)  m = Add(n, one) }>"
)

CASES += [
    case("Loop", SUM, M=constant(3), go=constant(True), x=real(2, 3, low=-1, high=1), u=real(3)),
    case("Loop/from a constant", SUM, M=constant(3), go=constant(True), x=constant(np.ones((2, 3))), u=real(3)),
    case("Loop/through scan outputs", SCANNED, M=fed(3), go=fed(True), zero=constant([0.5, 1]), x=real(2), u=real(2)),
    case("Loop/trips as input", SUM, M=fed(4), go=fed(True), x=real(2, 3, low=-1, high=1), u=weight(3)),
    case(
        "Loop/early exit",
        EXIT,
        go=fed(True),
        limit=constant(3.0),
        x=real(2, 3, low=0.3, high=1),
        u=real(3, low=1.1, high=1.6),
    ),
    case("Loop/integer state", TWO_STATES, M=fed(3), k=fed(1), one=constant(1), x=real(2), u=real(2)),
]

STEP = (
    "p, z = Scan(h, x) <num_scan_inputs = 1{more}, body = b (v, s) => (w, o)"
    " {{ m = MatMul(v, u)  n = Add(m, s)  w = Tanh(n)  o = Mul(w, s) }}>"
)
SCANS = [
    # what, attributes, shape of x; three steps of slices (2, 4)
    ("", "", (3, 2, 4)),
    ("/backwards", ", scan_input_directions = [1], scan_output_directions = [1]", (3, 2, 4)),
    ("/backwards in, forwards out", ", scan_input_directions = [1]", (3, 2, 4)),
    ("/axes", ", scan_input_axes = [1], scan_output_axes = [2]", (2, 3, 4)),
    (
        "/negative axes, backwards",
        ", scan_input_axes = [-1], scan_input_directions = [1], scan_output_axes = [-2]",
        (2, 4, 3),
    ),
]

CASES += [
    *(
        case(f"Scan{what}", STEP.format(more=more), x=real(*x), h=real(2, 4, low=-1, high=1), u=weight(4, 4))
        for what, more, x in SCANS
    ),
    case(
        "Scan/the same input twice",
        "z = Scan(x, x) <num_scan_inputs = 2, scan_input_directions = [0, 1],"
        " body = b (s, t) => (o) { o = Mul(s, t) }>",
        x=real(3, 2),
    ),
    case(
        "Scan/in a Loop",
        "y = Loop(M, , x) <body = b (int64 i, bool c, float[2, 3] v) => (c2, w) { c2 = Identity(c)  f = Mul(v, a)"
        " w, n = Scan(f, k) <num_scan_inputs = 1, body = bb (g, s) => (q, r) { q = Mul(g, s)  r = Sin(g) }> }>",
        M=fed(2),
        x=real(2, 3, low=0.5, high=1),
        a=real(3, low=0.5, high=1.5),
        k=real(2, 3, low=0.5, high=1.5),
        dims=(),
    ),
    case(
        "If/in a Loop",
        "y = Loop(M, , x) <body = b (int64 i, bool c, v) => (c2, w) { c2 = Identity(c)  odd = Cast<to = 9>(i)"
        " w = If(odd) <then_branch = t () => (p) { p = Mul(v, a) }, else_branch = e () => (q) { q = Sin(v) }> }>",
        M=fed(3),
        x=real(2, 3),
        a=real(3),
    ),
]

# As Keras models arrive from tf2onnx: weights and the time as states, the input read by the time.
KERAS = (
    "last, n, w2, y = Loop(M, go, h, zero, w)"
    " <body = b (int64 i, bool c, v, int32 time, float[2, 2] u) => (c2, m, n1, u2, s)"
    " { c2 = Identity(c)  xt = Gather(x, time)  n1 = Add(time, one)  u2 = Identity(u)"
    " a = MatMul(xt, u)  k = MatMul(v, u)  f = Add(a, k)  m = Tanh(f)  s = Mul(m, xt) }>"
)
READ = (
    "y, z = Loop(M, go, h) <body = b (int64 i, bool c, v) => (c2, m, s)"
    " { c2 = Identity(c)  p = Gather<axis = 1>(x, i)  q = Gather<axis = -1>(x, i)  t = Mul(p, q)  m = Add(t, v)"
    " r = ReduceMax<keepdims = 0>(x)  s = Mul(m, r) }>"
)

CASES += [
    case(
        f"Loop/as from Keras, {trips} trips",
        KERAS,
        M=fed(trips),
        go=constant(True),
        x=real(3, 2, 2, low=-1, high=1),
        h=real(2, 2, low=-1, high=1),
        w=weight(2, 2),
        zero=constant(0, "int32"),
        one=constant(1, "int32"),
        dims=(),
    )
    for trips in (3, 2)
]
CASES += [
    case("Loop/reads by number", READ, M=fed(2), go=constant(True), x=real(3, 3), h=real(3)),
]
