"""The relevance rule sets: what they cover, which rule a node gets, conservation of every rule, errors."""

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.conservation import conservation
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.query import linear_roles
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance import any_rule_set, relevance_sets
from onnxpath.rules.relevance.base import relevance
from onnxpath.rules.relevance.composites import COMPOSITES, composite
from onnxpath.rules.relevance.rap import rap
from onnxpath.rules.ruleset import Rule, RuleSet
from tests.models import LARGE, parse, real_input, sample, sample_images

BOX = {"low": -2.0, "high": 2.5}
# What shares among the contributions of all inputs keeps relevance where there is no bias.
CONSERVING = [
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-gamma-box",
    "excitation-backprop",
    "lrp-epsilon",
    "lrp-gamma",
]
CONSERVING += ["lrp-zplus", "lrp-wsquare", "lrp-flat", "lrp-zbox"]


# ----------------------------------------------------------------------------------------------------------- coverage


def test_the_base_set_inherits_nothing():
    assert relevance.parent is None
    for operator in ("Conv", "Gemm", "MatMul", "Softmax", "LayerNormalization", "Exp", "Einsum", "LSTM"):
        assert relevance.find(operator) is None
    parents = {name: rules.parent for name, rules in relevance_sets().items()}
    assert parents.pop("beta-smooth") is gradient and set(parents.values()) == {relevance}


@pytest.mark.parametrize("name", relevance_sets())
def test_coverage(name):
    for covered in ("digits_cnn", "digits_resnet"):
        assert onnxpath.load(sample(covered)).coverage(name)["missing"] == {}
    coverage = onnxpath.load(sample("digits_vit")).coverage(name)
    if name in ("attnlrp", "beta-smooth"):
        assert coverage["missing"] == {}
    else:
        assert coverage["missing"].keys() == {"LayerNormalization", "Softmax", "MatMul"}
        assert len(coverage["missing"]["MatMul"]) == 4  # those of attention; the others have weights
        assert coverage["zero"].keys() == {"Erf"}  # of GELU, which passes relevance


def test_products_are_refused_by_what_is_on_the_path():
    """A factor that is only looked up is a constant to relevance; one that depends on the input is not."""
    text = "m (float[n, 3] x, int64[n] i) => (float[n, 3] y) { h = MatMul(x, W); e = Gather(W, i); y = Mul(h, e) }"
    model, feeds = parse(text, W=np.eye(3, dtype=np.float32)), {"x": np.ones((1, 3), np.float32), "i": np.int64([1])}
    assert onnxpath.load(model).coverage("lrp-epsilon")["missing"] == {}
    assert onnxpath.attribute(model, feeds, 1, "lrp").values.shape == (1, 3)
    weights = {"W": np.eye(3, dtype=np.float32)}
    text = "m (float[n, 3] x) => (float[n, 3] y) { h = MatMul(x, W); g = Sigmoid(h); y = Mul(x, g) }"
    gated = parse(text, **weights)
    with pytest.raises(onnxpath.UnsupportedOperator, match=r"no rap rule (.|\n)*Mul .*: more than one factor depends"):
        onnxpath.attribute(gated, np.ones((1, 3), np.float32), method="rap")
    shared = parse("m (float[n, 3] x) => (float[n, 3] y) { g = Sigmoid(x); y = Div(x, g) }")
    with pytest.raises(onnxpath.UnsupportedOperator, match=r"Div .*: its divisor depends on the input"):
        onnxpath.attribute(shared, np.ones((1, 3), np.float32), method="lrp")


# -------------------------------------------------------------------------------------------------------------- lookup


def test_roles():
    graph = load_graph(sample("digits_resnet"))
    roles = linear_roles(graph, ["image"], "logits")
    linear = [n for n in graph.nodes if n.op in ("Conv", "Gemm")]
    assert [n.name for n in linear if "first_linear" in roles[n.name]] == [linear[0].name]
    assert [n.name for n in linear if "last_linear" in roles[n.name]] == [linear[-1].name]
    assert set(roles) == {n.name for n in linear}
    alone = load_graph(
        parse("m (float[n, 3] x) => (float[n, 3] y) { y = MatMul(x, W) }", W=np.eye(3, dtype=np.float32))
    )
    assert list(linear_roles(alone, ["x"], "y").values()) == [("first_linear", "last_linear")]


def test_the_order_of_lookup():
    """Node name, then role, then operator, then the parent likewise."""
    graph = load_graph(parse("m (float[n, 3] x) => (float[n, 3] y) { a = Relu(x); b = Relu(a); y = Relu(b) }"))
    first, second, third = graph.nodes
    parent, child = RuleSet("parent"), RuleSet("child")
    child.parent = parent
    made = {name: Rule("Relu", lambda *_: None) for name in ("parent's role", "operator", "role", "node")}
    parent.enter(made["parent's role"], role="first_linear")
    child.enter(made["operator"])
    child.enter(made["role"], role="last_linear")
    child.enter(made["node"], node=third.name)
    bound = child.on({second.name: ("last_linear",), third.name: ("last_linear",), first.name: ("first_linear",)})
    assert [bound.rule_of(n) for n in graph.nodes] == [made["operator"], made["role"], made["node"]]
    assert parent.on({first.name: ("first_linear",)}).rule_of(first) is made["parent's role"]
    assert parent.rule_of(first) is None


def test_composites_give_first_layers_their_rule():
    rules = composite("epsilon-plus-flat")
    assert rules.find("Conv", roles=["first_linear"]) is not rules.find("Conv")
    assert rules.find("Gemm", roles=["first_linear"]) is not rules.find("Gemm")
    assert composite("epsilon_plus").name == "epsilon-plus"


# -------------------------------------------------------------------------------------------------------- conservation


def bias_free():
    """Convolutions, pools, a residual Add and dense layers without a bias, inputs of either sign."""
    rng = np.random.default_rng(8)
    arrays = {"K": (4, 2, 3, 3), "L": (4, 4, 3, 3), "V": (16, 5), "W": (5, 3)}
    nodes = """
        c = Conv<pads = [1, 1, 1, 1]>(x, K); a = Relu(c)
        d = Conv<pads = [1, 1, 1, 1]>(a, L); r = Relu(d); s = Add(a, r)
        p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(s)
        q = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(p)
        t = Transpose<perm = [0, 2, 3, 1]>(q); f = Flatten(t); h = MatMul(f, V); b = Relu(h); y = MatMul(b, W)
    """
    weights = {k: rng.normal(size=s).astype(np.float32) for k, s in arrays.items()}
    weights["W"] = np.abs(weights["W"])  # z+ loses the relevance of an output that nothing speaks for
    model = parse(f"m (float[n, 2, 8, 8] x) => (float[n, 3] y) {{ {nodes.strip().replace(chr(10), ';')} }}", **weights)
    return model, rng.normal(size=(3, 2, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("name", CONSERVING)
def test_without_a_bias_every_node_conserves(name):
    model, x = bias_free()
    options = BOX if "box" in name else {}
    steps = conservation(model, x, method="lrp", composite=name, **options)
    assert len(steps) == 12
    for step in steps:
        assert np.allclose(step.given, step.passed, atol=2e-3 * np.abs(step.given).max()), step
    found = onnxpath.attribute(model, x, method="lrp", composite=name, **options)
    assert np.allclose(found.delta, 0, atol=1e-2)


def test_shares_of_an_add_are_of_its_parts():
    """The rule `norm`: 3 and -1 of 2 take 3/2 and -1/2."""
    text = "m (float[n, 1] x) => (float[n, 1] y) { a = MatMul(x, A); b = MatMul(x, B); y = Add(a, b) }"
    model = parse(text, A=np.float32([[3]]), B=np.float32([[-1]]))
    steps = conservation(model, np.float32([[2]]), method="lrp", composite="lrp-epsilon")
    assert sorted(float(s.given[0]) for s in steps if s.operator == "MatMul") == pytest.approx([-2, 6], rel=1e-4)


@pytest.mark.parametrize("name", LARGE)
def test_large_models(name, data_dir):
    path = next((data_dir / "models").glob(f"{name}*.onnx"), None)
    if path is None:
        pytest.skip(f"the data folder holds no {name}")
    model, x = onnxpath.load(path, providers="cpu"), real_input(data_dir, name, 2)
    for method in ("rap", "lrp"):
        found = onnxpath.attribute(model, x, method=method)
        assert found.values.shape == x.shape and np.isfinite(found.values).all()
        if method == "rap":
            leak = np.abs(found.delta / found.logits.reshape(2, -1).max(1)).max()
            # In MobileNetV2 whole channels are zero at places, and the depthwise units that read them have no input.
            assert leak <= 1e-4 or (name.startswith("mobilenet") and "lost relevance: up to" in found.notes[0]), leak


# -------------------------------------------------------------------------------------------------------------- errors


def test_what_cannot_be_asked():
    x = sample_images()[:1]
    with pytest.raises(onnxpath.UnknownName, match="no composite named 'epsilon-pluss'; did you mean 'epsilon-plus'"):
        onnxpath.attribute(sample("digits_cnn"), x, method="lrp", composite="epsilon-pluss")
    with pytest.raises(onnxpath.InputError, match="lrp-zbox needs `low` and `high`"):
        onnxpath.attribute(sample("digits_cnn"), x, method="lrp", composite="epsilon-gamma-box")
    with pytest.raises(onnxpath.UnknownName, match="no rule set named 'rapp'; did you mean 'rap'"):
        any_rule_set("rapp")
    with pytest.raises(onnxpath.UnknownName, match="no relevance method named 'gradient'"):
        conservation(sample("digits_cnn"), x, method="gradient")


def test_parameters_make_programs_of_their_own():
    x, model = sample_images()[:2], onnxpath.load(sample("digits_cnn"), providers="cpu")
    maps = [
        onnxpath.attribute(model, x, method="lrp", composite="epsilon-gamma-box", low=low, high=1.0, gamma=g).values
        for low, g in ((0.0, 0.25), (-1.0, 0.25), (0.0, 0.5), (np.zeros((1, 16, 16)), 0.25))
    ]
    assert np.allclose(maps[0], maps[3], atol=1e-6)
    assert not np.allclose(maps[0], maps[1]) and not np.allclose(maps[0], maps[2])


def test_every_composite_is_named_in_the_list():
    assert {*COMPOSITES, "rap"} == set(relevance_sets())
    assert rap({}).name == "rap"
