"""Names of the sizes that onnx's inference loses."""

import pytest

from onnxpath.graph.canonize import load_graph
from tests.models import parse

# A graph's text -> the shape of y; x is [rows, 6, 8], z is [n, 6, 8].
GRAPHS = {
    "t = Constant<value_ints=[-1, 6, 2, 4]>() y = Reshape(x, t)": ["rows", 6, 2, 4],
    "t = Constant<value_ints=[6, -1]>() y = Reshape(x, t)": [6, "8*rows"],
    "t = Constant<value_ints=[0, -1]>() y = Reshape(x, t)": ["rows", 48],
    "t = Constant<value_ints=[-1, 8]>() u = Constant<value_ints=[-1, 6, 8]>() a = Reshape(x, t) y = Reshape(a, u)": [
        "rows",
        6,
        8,
    ],
    "t = Constant<value_ints=[-1, 48]>() u = Constant<value_ints=[-1, 6, 8]>() a = Reshape(x, t) b = Reshape(a, u)"
    " y = Add(b, x)": ["rows", 6, 8],
    "t = Constant<value_ints=[-1, 6, 8]>() a = Reshape(x, t) c = Transpose<perm=[0, 2, 1]>(x) y = MatMul(a, c)": [
        "rows",
        6,
        6,
    ],
    "s = Shape(x) o = Constant<value_float=1.0>() y = Expand(o, s)": ["rows", 6, 8],
    "r = Shape<start=0, end=1>(x) o = Constant<value_ints=[1]>() q = Concat<axis=0>(r, o, o)"
    " e = Constant<value_floats=[1.0]>() v = Constant<value_ints=[1, 1, 1]>() w = Reshape(e, v) y = Tile(w, q)": [
        "rows",
        1,
        1,
    ],
}


@pytest.mark.parametrize("nodes", GRAPHS)
def test_a_size_that_follows_has_its_name(nodes):
    assert shape_of(nodes) == GRAPHS[nodes]


@pytest.mark.parametrize(
    "nodes",
    [
        "y = Add(x, z)",  # either may be 1
        "t = Constant<value_ints=[-1, 7]>() y = Reshape(x, t)",  # 48 rows are not a number of sevens
        "r = Shape<start=0, end=1>(x) o = Constant<value_ints=[1]>() q = Concat<axis=0>(r, o, o) y = Tile(x, q)",
    ],
)
def test_a_size_that_is_not_certain_has_none_of_the_input_s_names(nodes):
    assert shape_of(nodes)[0] not in ("rows", "n", 1)


def shape_of(nodes):
    text = f"g (float[rows, 6, 8] x, float[n, 6, 8] z) => (int64 out) {{ {nodes} out = Size(y) }}"
    return load_graph(parse(text)).tensor("y").shape
