"""Models of token ids and of other integers: where the gradient begins, and what is explained."""

import numpy as np
import pytest

from onnxpath import attribute, gradient_graph, load
from onnxpath.errors import ModelError, UnknownName
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.embeddings import default_sources, embeddings
from tests.graph.kernels import Kernel
from tests.models import parse, run

WIDTH, WORDS = 6, 10
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, WORDS, (4, 5))
MASK = np.array([[1, 1, 1, 0, 0], [1] * 5, [1, 1, 1, 1, 0], [1] * 5])


def r(*shape):
    return RNG.normal(size=shape).astype(np.float32)


WEIGHTS = {"table": r(WORDS, WIDTH), "kinds": r(2, WIDTH), "places": r(5, WIDTH)}
WEIGHTS |= {"w": r(WIDTH, WIDTH), "v": r(WIDTH, 3), "axes": np.int64([1]), "behind": np.int64([2])}
WEIGHTS |= {"gamma": r(WIDTH), "beta": r(WIDTH)}

# A mean over the tokens that the mask shows, with places from the number of tokens, as encoders have them.
HEAD = """
  f = Cast<to = 1>(mask); m = Unsqueeze(f, behind); a = MatMul(s, w); h = Gelu(a); k = Mul(h, m);
  u = ReduceSum<keepdims = 0>(k, axes); y = MatMul(u, v)
"""


def bert(look_up, inputs="int64[n, 5] ids, int64[n, 5] mask"):
    text = f"m ({inputs}) => (float[n, 3] y) {{ {look_up} {HEAD} }}"
    return parse(text, **{name: value for name, value in WEIGHTS.items() if name in text})


ONE = bert("e = Gather(table, ids); s = Add(e, places);")
TWO = bert(
    "i = Cast<to = 6>(ids); e = Gather(table, i); t = Gather(kinds, types); x = Add(e, t); s = Add(x, places);",
    "int64[n, 5] ids, int64[n, 5] mask, int64[n, 5] types",
)


def by_hand(e, mask):
    """The gradient of every output by the embedding e [N, T, WIDTH], as [3, N, T, WIDTH], by finite differences."""
    from math import erf

    gelu = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 2**0.5)))

    def model(e):
        hidden = gelu((e + WEIGHTS["places"]) @ WEIGHTS["w"].astype(np.float64))
        return (hidden * mask[..., None]).sum(1) @ WEIGHTS["v"].astype(np.float64)

    grads = np.zeros((3, *e.shape))
    for place in np.ndindex(e.shape[1:]):
        step = np.zeros(e.shape)
        step[(slice(None), *place)] = 1e-5
        grads[(slice(None), slice(None), *place)] = ((model(e + step) - model(e - step)) / 2e-5).T
    return grads


def test_the_only_embedding_is_the_default():
    (found,) = embeddings(load_graph(ONE))
    assert (found.name, found.input, found.table, found.size) == ("e", "ids", "table", (WORDS, WIDTH))
    graph = gradient_graph(ONE)
    assert [o.name for o in graph.graph.output] == ["y", "grad_e"]
    cotangent = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    given = run(graph, {"ids": IDS, "mask": MASK, "grad_y": cotangent})["grad_e"]
    every = by_hand(WEIGHTS["table"].astype(np.float64)[IDS], MASK)
    np.testing.assert_allclose(given, every[[0, 1, 2, 0], range(4)], atol=1e-4)
    assert not given[0, 3:].any()


@pytest.mark.parametrize("method", ["gradient", "input-x-gradient", "pathway-gradient"])
def test_maps_are_those_of_the_embedding(method):
    options = {"sparsity": 0.0} if method == "pathway-gradient" else {}
    result = attribute(ONE, {"ids": IDS, "mask": MASK}, target=2, method=method, **options)
    assert list(result.maps) == ["e"]
    e = WEIGHTS["table"][IDS]
    expected = by_hand(e.astype(np.float64), MASK)[2]
    # Nothing is pruned from the pathway, so that it is the whole network.
    np.testing.assert_allclose(result.values, expected * e if method == "input-x-gradient" else expected, atol=1e-4)


def test_one_row_is_as_in_a_batch():
    whole = attribute(ONE, {"ids": IDS, "mask": MASK}, method="pathway-gradient", sparsity=0.5).values
    for row in range(4):
        alone = attribute(
            ONE, {"ids": IDS[row : row + 1], "mask": MASK[row : row + 1]}, method="pathway-gradient", sparsity=0.5
        )
        np.testing.assert_allclose(alone.values[0], whole[row], atol=1e-5)


def test_several_embeddings_are_listed_and_asked_for():
    text = r"(?s)looked up in 2 tables; name one or more .*'e' \[n × 5 × 6\]: 'ids' looked up in 'table' \[10 × 6\]"
    with pytest.raises(ModelError, match=text + r".*'t' \[n × 5 × 6\]: 'types' looked up in 'kinds' \[2 × 6\]"):
        gradient_graph(TWO)
    feeds = {"ids": IDS, "mask": MASK, "types": IDS % 2}
    with pytest.raises(ModelError, match=text):
        attribute(TWO, feeds, method="gradient")
    result = attribute(TWO, feeds, method="gradient", wrt=["e"])
    both = attribute(load(TWO, wrt=["e", "t"]), feeds, method="gradient")
    assert list(both.values) == ["e", "t"]
    np.testing.assert_array_equal(both.values["e"], result.values)
    np.testing.assert_array_equal(both.values["t"], result.values)
    # Selection of neurons needs no beginning.
    assert load(TWO).layers()[0].name == "h"
    assert load(TWO).coverage()["missing"] == {}


def test_a_loaded_model_with_another_beginning():
    feeds = {"ids": IDS, "mask": MASK}
    model = load(ONE)
    inner = attribute(model, feeds, method="gradient", target=0, wrt=["h"])
    assert inner.values.shape == (4, 5, WIDTH)
    np.testing.assert_allclose(inner.values[1], np.tile(WEIGHTS["v"][:, 0], (5, 1)), rtol=1e-5)
    assert list(attribute(model, feeds, method="gradient").maps) == ["e"]
    with pytest.raises(UnknownName, match="no computed float tensor named 'ee'; did you mean 'e'"):
        attribute(model, feeds, method="gradient", wrt=["ee"])
    with pytest.raises(UnknownName, match="no computed float tensor named 'table'"):
        load(ONE, wrt=["table"])


def test_what_counts_as_a_look_up():
    """Ids may be shaped, cast and wrapped; tables may be stored in 16 bits; what is computed of ids is none."""
    shaped = (
        "i = Cast<to = 6>(ids); j = Unsqueeze(i, axes); g = Squeeze(j, axes); c = Gather(half, g); e = Cast<to = 1>(c);"
    )
    graph = load_graph(parse(f"m (int64[n, 5] ids) => (float[n, 5, 6] e) {{ {shaped} }}",
                             axes=np.int64([1]), half=r(WORDS, WIDTH).astype(np.float16)))  # fmt: skip
    assert [found.name for found in embeddings(graph)] == ["c"]
    wrapped = "b = Less(ids, zero); u = Add(ids, size); i = Where(b, u, ids); e = Gather(table, i);"
    graph = load_graph(parse(f"m (int64[n, 5] ids) => (float[n, 5, 6] e) {{ {wrapped} }}",
                             zero=np.int64(0), size=np.int64(WORDS), table=WEIGHTS["table"]))  # fmt: skip
    assert [found.name for found in embeddings(graph)] == ["e"]
    counted = "o = Shape(ids); p = Gather(o, one); k = CumSum(ids, one); e = Gather(table, k);"
    graph = load_graph(parse(f"m (int64[n, 5] ids) => (float[n, 5, 6] e, int64 p) {{ {counted} }}",
                             one=np.int64(1), table=WEIGHTS["table"]))  # fmt: skip
    assert not embeddings(graph)
    with pytest.raises(
        ModelError, match=r"neither looked up in a table nor each cast to float in one place: 'ids' \(int64\)"
    ):
        default_sources(graph)


PIXELS = {
    "Cast": "f = Cast<to = 1>(x); d = Div(f, scale)",
    "CastLike": "f = CastLike(x, scale); d = Div(f, scale)",
    "DequantizeLinear": "f = DequantizeLinear(x, step); d = Identity(f)",
}


@pytest.mark.parametrize("op", PIXELS)
@pytest.mark.parametrize("method", ["gradient", "integrated-gradients"])
def test_integers_that_are_cast_are_explained_as_floats(op, method):
    """As a float network that is given the cast pixels."""
    rest = "h = MatMul(d, w); r = Relu(h); y = MatMul(r, v)"
    values = {"w": WEIGHTS["w"], "v": WEIGHTS["v"], "scale": np.float32(255), "step": np.float32(1 / 255)}
    known = {name: value for name, value in values.items() if name in PIXELS[op] + rest}
    x = RNG.integers(0, 256, (3, WIDTH)).astype(np.uint8)
    model = parse(f"m (uint8[n, 6] x) => (float[n, 3] y) {{ {PIXELS[op]}; {rest} }}", **known)
    result = attribute(model, x, target=1, method=method)
    seen = x.astype(np.float32) * (values["step"] if op == "DequantizeLinear" else 1)
    scale = 1 if op == "DequantizeLinear" else 255
    plain = parse(
        f"m (float[n, 6] f) => (float[n, 3] y) {{ d = Div(f, scale); {rest} }}",
        w=WEIGHTS["w"], v=WEIGHTS["v"], scale=np.float32(scale),
    )  # fmt: skip
    assert list(result.maps) == ["f"]
    np.testing.assert_allclose(
        result.values, attribute(plain, seen, target=1, method=method).values, rtol=1e-4, atol=1e-7
    )


def test_integers_that_are_cast_after_their_axes_have_moved_are_asked_for():
    """A picture's channels would be looked for where they are in the input."""
    nodes = "t = Transpose<perm = [0, 3, 1, 2]>(x); f = Cast<to = 1>(t); y = Relu(f)"
    model = parse(f"m (uint8[n, 4, 4, 3] x) => (float[n, 3, 4, 4] y) {{ {nodes} }}")
    with pytest.raises(ModelError, match=r"nor each cast to float in one place: 'x' \(uint8\)"):
        default_sources(load_graph(model))


def test_integers_that_are_cast_twice_are_asked_for():
    nodes = "f = Cast<to = 1>(x); g = Cast<to = 1>(x); a = Relu(f); b = Sigmoid(g); y = Add(a, b)"
    graph = load_graph(parse(f"m (int64[n, 5] x) => (float[n, 5] y) {{ {nodes} }}"))
    with pytest.raises(ModelError, match=r"nor each cast to float in one place: 'x' \(int64\); name float tensors"):
        default_sources(graph)


def test_float_inputs_go_first():
    nodes = "e = Gather(table, ids); y = Mul(e, x)"
    model = parse(f"m (int64[n, 5] ids, float[n, 5, 6] x) => (float[n, 5, 6] y) {{ {nodes} }}", table=WEIGHTS["table"])
    assert default_sources(load_graph(model)) == ["x"]


def test_the_output_of_a_fused_embedding_is_one():
    """EmbedLayerNormalization looks up in three tables; what it makes is where the gradient begins."""
    inputs = {"ids": IDS.astype(np.int32), "types": (IDS % 2).astype(np.int32), "table": WEIGHTS["table"]}
    inputs |= {key: WEIGHTS[key] for key in ("places", "kinds", "gamma", "beta")}
    constant = tuple(key for key in inputs if key not in ("ids", "types"))
    case = Kernel("EmbedLayerNormalization", inputs, {}, ("y", "words"), constant)
    (found,) = embeddings(load_graph(case.model()))
    assert (found.name, found.input, found.table) == ("y", "ids", "table")


@pytest.mark.parametrize("baseline", [0, 1, "pad"])
def test_integrated_gradients_along_the_embedding(baseline):
    """Steps are between the embeddings, everything else is computed from the ids."""
    start = WEIGHTS["table"][0] if baseline == "pad" else np.full(WIDTH, baseline, np.float32)
    feeds = {"ids": IDS, "mask": MASK}
    result = attribute(ONE, feeds, target=1, method="integrated-gradients", baselines=start, n_steps=20)
    e = WEIGHTS["table"][IDS].astype(np.float64)
    assert list(result.maps) == ["e"] and np.abs(result.delta).max() < 1e-3
    alphas, weights = np.polynomial.legendre.leggauss(20)
    mean = sum(
        w / 2 * by_hand(start + (a + 1) / 2 * (e - start), MASK)[1] for a, w in zip(alphas, weights, strict=True)
    )
    np.testing.assert_allclose(result.values, (e - start) * mean, atol=1e-3)


def test_integrated_gradients_begin_at_one_place():
    with pytest.raises(ModelError, match="computed from each other \\('h' from 'e'\\); name one of them"):
        attribute(ONE, {"ids": IDS, "mask": MASK}, method="integrated-gradients", wrt=["e", "h"])
