"""Random shapes, broadcasts, axes, strides, pads and dilations, against finite differences and ONNX Runtime."""

from math import prod

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import onnxpath
from tests.cases.case import case, constant, real, weight
from tests.check import check_derivative, check_provider, check_symbolic

# Deterministic: the same examples everywhere, so that a red run can be repeated; a case's name says all there is to it,
# and making it smaller costs minutes.
SETTINGS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LARGEST = 500  # elements of an output


def agrees(row):
    """All three checks of the operator table."""
    check_derivative(row, onnxpath.gradient_graph)
    check_provider(row, onnxpath.gradient_graph)
    for dims in row.dims:
        check_symbolic(row, onnxpath.gradient_graph, dims)


sizes = st.integers(1, 4)


def several(elements, n):
    return st.lists(elements, min_size=n, max_size=n)


def written(attributes):
    return ", ".join(f"{name} = {value}" for name, value in attributes.items())


@st.composite
def windows(draw, axes, extra=0):
    """Kernel, strides, dilations and pads over `axes` axes, and an input that holds the window."""
    kernel, strides, dilations = draw(several(st.integers(1, 3), axes)), draw(several(sizes, axes)), []
    pads, spatial = [], []
    for k in kernel:
        dilations.append(draw(st.integers(1, 3)))
        reach = (k - 1) * dilations[-1] + 1
        spatial.append(reach + draw(st.integers(0, 4)) + extra)
        pads.append((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))))
    flat = [low for low, _ in pads] + [high for _, high in pads]
    return spatial, {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": flat}


@SETTINGS
@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), sizes)
def test_conv(data, axes, groups, each, made):
    spatial, attributes = data.draw(windows(axes))
    assume(prod(spatial) <= LARGEST)
    w = (groups * made, each, *attributes["kernel_shape"])
    call = f"y = Conv<group = {groups}, {written(attributes)}>(x, w, b)"
    agrees(case(f"{call} {spatial}", call, x=real(2, groups * each, *spatial), w=weight(*w), b=weight(groups * made)))


@SETTINGS
@given(st.data(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 3))
def test_conv_transpose(data, axes, groups, each, made):
    spatial, attributes = data.draw(windows(axes))
    spatial = [min(size, 4) for size in spatial]
    reach = [(k - 1) * d + 1 for k, d in zip(attributes["kernel_shape"], attributes["dilations"], strict=True)]
    full = [(n - 1) * s + r for n, s, r in zip(spatial, attributes["strides"], reach, strict=True)]
    pads = attributes["pads"]
    assume(all(size > low + high for size, low, high in zip(full, pads, pads[axes:], strict=False)))
    attributes["output_padding"] = [data.draw(st.integers(0, s - 1)) for s in attributes["strides"]]
    assume(prod(full) <= LARGEST)
    w = (groups * each, made, *attributes["kernel_shape"])
    call = f"y = ConvTranspose<group = {groups}, {written(attributes)}>(x, w, b)"
    agrees(case(f"{call} {spatial}", call, x=real(2, groups * each, *spatial), w=weight(*w), b=weight(groups * made)))


def per_axis(spatial, attributes):
    return zip(spatial, *(attributes[name] for name in ("kernel_shape", "strides", "dilations")), strict=True)


def starts_behind(size, kernel, stride, dilation, pads, axis):
    low, high = pads[axis], pads[len(pads) // 2 + axis]
    last = -(-(size + low + high - (kernel - 1) * dilation - 1) // stride) * stride
    return last >= size + low


@SETTINGS
@given(st.data(), st.sampled_from(["MaxPool", "AveragePool"]), st.integers(1, 3), st.booleans())
def test_pool(data, operator, axes, ceil):
    spatial, attributes = data.draw(windows(axes))
    assume(prod(spatial) <= LARGEST)
    attributes["ceil_mode"] = int(ceil)
    # onnx infers a window too many where the last one would start behind the input.
    assume(
        not ceil
        or not any(starts_behind(*axis, attributes["pads"], i) for i, axis in enumerate(per_axis(spatial, attributes)))
    )
    if operator == "AveragePool":
        attributes["count_include_pad"] = data.draw(st.integers(0, 1))
    call = f"y = {operator}<{written(attributes)}>(x)"
    agrees(case(f"{call} {spatial}", call, x=real(2, 1, *spatial)))


REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp"]


@SETTINGS
@given(st.data(), st.sampled_from(REDUCTIONS), st.lists(sizes, min_size=1, max_size=4), st.integers(0, 1))
def test_reduce(data, kind, shape, keepdims):
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    axes = [axis - len(shape) * data.draw(st.integers(0, 1)) for axis in axes]
    call = f"y = Reduce{kind}<keepdims = {keepdims}>(x, a)"
    agrees(case(f"{call} {shape} {axes}", call, x=real(*shape), a=constant(axes, "int64"), kinks=(0,)))


@st.composite
def broadcasting(draw):
    """Two shapes that broadcast together."""
    whole = draw(st.lists(sizes, max_size=4))
    pair = [
        [size if draw(st.integers(0, 3)) else 1 for size in whole[draw(st.integers(0, len(whole))) :]] for _ in "ab"
    ]
    return pair


@SETTINGS
@given(broadcasting(), st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min"]))
def test_broadcasting(shapes, operator):
    a, b = shapes
    call = f"y = {operator}(a, b)"
    divisor = real(*b, low=0.4, high=2.4) if operator == "Div" else real(*b, low=-1.91, high=2.13)
    agrees(case(f"{call} {a} {b}", call, a=real(*a), b=divisor))


@SETTINGS
@given(broadcasting(), sizes, sizes, sizes, st.integers(0, 3))
def test_matmul(shapes, rows, inner, columns, vectors):
    a, b = [*shapes[0], rows, inner], [*shapes[1], inner, columns]
    a, b = [inner] if vectors & 1 else a, [inner] if vectors & 2 else b
    call = "y = MatMul(a, b)"
    agrees(case(f"{call} {a} {b}", call, a=real(*a), b=real(*b)))


@SETTINGS
@given(st.data(), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_slice(data, shape):
    axes = sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    starts, ends, steps = [], [], []
    for axis in axes:
        size = shape[axis]
        first, last = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
        step = data.draw(st.integers(1, 3))
        low, high = min(first, last), max(first, last)
        if data.draw(st.booleans()):
            starts, ends, steps = (
                [*starts, low - size * data.draw(st.integers(0, 1))],
                [*ends, high + 1],
                [*steps, step],
            )
        else:
            starts, ends, steps = [*starts, high], [*ends, low - 1 - size], [*steps, -step]
    call = "y = Slice(x, s, e, a, t)"
    cuts = {"s": constant(starts), "e": constant(ends), "a": constant(axes), "t": constant(steps)}
    agrees(case(f"{call} {shape} {starts} {ends} {axes} {steps}", call, x=real(*shape), **cuts))


@SETTINGS
@given(
    st.data(),
    st.sampled_from(["constant", "reflect", "edge", "wrap"]),
    st.lists(st.integers(2, 5), min_size=1, max_size=3),
)
def test_pad(data, mode, shape):
    least = -1 if mode == "constant" else 0
    ends = [
        data.draw(st.integers(least if size > 2 else 0, 3 if mode == "constant" else size - 1)) for size in shape * 2
    ]
    call = f'y = Pad<mode = "{mode}">(x, p)'
    agrees(case(f"{call} {shape} {ends}", call, x=real(*shape), p=constant(ends)))


@SETTINGS
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.lists(st.integers(1, 3), max_size=2))
def test_gather(data, shape, index_shape):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    count = prod(index_shape)
    places = data.draw(several(st.integers(-size, size - 1), count))
    nested = (
        places[0] if not index_shape else [places[i : i + index_shape[-1]] for i in range(0, count, index_shape[-1])]
    )
    indices = nested[0] if len(index_shape) == 1 else nested
    call = f"y = Gather<axis = {axis}>(x, i)"
    agrees(case(f"{call} {shape} {indices}", call, x=real(*shape), i=constant(indices)))
