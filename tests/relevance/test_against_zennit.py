"""Zennit's whole grid, every rule in every kind of layer, and every composite on the usual networks."""

from functools import cache

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.registry import spelled_program
from onnxpath.pathway.programs import GRAD, LOGITS, Setup
from onnxpath.runtime.targets import resolve_target
from tests.check import reference, to_double
from tests.conftest import absent
from tests.parity import record

if missing := absent("zennit", "torch"):
    pytest.skip(missing, allow_module_level=True)

from tests.relevance import zennit_oracle as zennit
from tests.relevance.networks import LAYERS, USUAL
from tests.relevance.zennit_oracle import distance, exported, network

SINGLE, DOUBLE = 1e-3, 1e-6
BOX = {"low": -3.0, "high": 3.5}
EVERYWHERE = {
    "lrp-epsilon": (zennit.rules.Epsilon, {"epsilon": 0.1}),
    "lrp-gamma": (zennit.rules.Gamma, {"gamma": 0.5}),
    "lrp-zplus": (zennit.rules.ZPlus, {}),
    "lrp-alpha-beta": (zennit.rules.AlphaBeta, {"alpha": 1.5, "beta": 0.5}),
    "lrp-zbox": (zennit.rules.ZBox, BOX),
    "lrp-wsquare": (zennit.rules.WSquare, {}),
    "lrp-flat": (zennit.rules.Flat, {}),
}
COMPOSITES = {
    "epsilon-plus": {},
    "epsilon-plus-flat": {"epsilon": 0.01},
    "epsilon-gamma-box": BOX,
    "epsilon-alpha2-beta1": {},
    "epsilon-alpha2-beta1-flat": {"stabilizer": 1e-3},
    "excitation-backprop": {},
    "beta-smooth": {"beta_smooth": 3.0},
}
each_layer = pytest.mark.parametrize("name", [made.__name__ for made in LAYERS])
each_network = pytest.mark.parametrize("name", [made.__name__ for made in USUAL])


@cache
def onnx_models(name):
    """The exported network as it is, and with every number a float64."""
    single = exported(*network(name))
    double = to_double(onnx.load_from_string(single))
    return onnxpath.load(single, providers="cpu"), onnxpath.load(double, providers="cpu")


def check(name, x, expected, oracle, composite, **options):
    """The map in float32 by ONNX Runtime, and in float64 by onnx's reference evaluator."""
    single, double = onnx_models(name)
    rows = x.numpy()
    found = onnxpath.attribute(single, rows, method="lrp", composite=composite, **options).values
    said = composite + "".join(f", {key} = {value:g}" for key, value in options.items())
    assert record(f"lrp, {said}", oracle, name, "float32", distance(found, expected)) <= SINGLE
    goal = resolve_target(double, None, len(rows))
    given = {"composite": composite, **options}
    program = spelled_program(METHODS.get("lrp").spell, Setup.of(double, goal, layers=()), (), given)
    values = reference(program, {"x": rows.astype(np.float64), **goal.feed(slice(None))})
    assert record(f"lrp, {said}", oracle, name, "float64", distance(values[GRAD + "x"], expected)) <= DOUBLE
    assert values[LOGITS].dtype == np.float64


@each_layer
@pytest.mark.parametrize("rule", EVERYWHERE)
def test_rule_in_every_layer(name, rule):
    net, x = network(name)
    made, options = EVERYWHERE[rule]
    expected = zennit.relevance(net, x, zennit.everywhere(made(**options)))
    check(name, x, expected, f"Zennit {made.__name__}", rule, **options)


@each_network
@pytest.mark.parametrize("composite", COMPOSITES)
def test_composite(name, composite):
    net, x = network(name)
    options = COMPOSITES[composite]
    oracle = zennit.gradient if composite == "beta-smooth" else zennit.relevance
    theirs = zennit.preset(composite.replace("-", "_"), **options)
    check(name, x, oracle(net, x, theirs), f"Zennit {type(theirs).__name__}", composite, **options)


@pytest.mark.parametrize("rule", EVERYWHERE)
def test_without_biases(rule):
    net, x = network("conv2d")
    made, options = EVERYWHERE[rule]
    expected = zennit.relevance(net, x, zennit.everywhere(made(**options, zero_params="bias")))
    check("conv2d", x, expected, f"Zennit {made.__name__}", rule, **options, bias=False)


def test_norm_in_every_layer(tmp_path):
    """A rule that only a file can name."""
    (tmp_path / "norm.toml").write_text('[[rule]]\nrule = "norm"\nstabilizer = 0.05')
    net, x = network("linear")
    expected = zennit.relevance(net, x, zennit.everywhere(zennit.rules.Norm(stabilizer=0.05)))
    found = onnxpath.attribute(exported(net, x), x.numpy(), method="lrp", composite=str(tmp_path / "norm.toml"))
    assert record("lrp, norm", "Zennit Norm", "linear", "float32", distance(found.values, expected)) <= SINGLE


@pytest.mark.parametrize("name", ["merged_conv", "transposed2d", "conv1d", "resnet18"])
@pytest.mark.parametrize("method", ["guided-backprop", "deconvnet"])
def test_rectified(name, method):
    net, x = network(name)
    expected = zennit.gradient(net, x, zennit.preset(method.replace("-", "_")))
    found = onnxpath.attribute(onnx_models(name)[0], x.numpy(), method=method).values
    assert record(method, f"Zennit {method}", name, "float32", distance(found, expected)) <= SINGLE
