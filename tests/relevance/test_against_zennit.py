"""Every rule and composite against Zennit's, on small networks of every kind of linear layer."""

from functools import cache

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.methods.relevance import lrp
from onnxpath.attribution.registry import spelled_program
from onnxpath.pathway.programs import GRAD, LOGITS, Setup
from onnxpath.runtime.targets import resolve_target
from tests.check import reference, to_double
from tests.conftest import present

if not (present("zennit") and present("torch")):
    pytest.skip("not installed: zennit or torch", allow_module_level=True)

from tests.relevance import zennit_oracle as zennit
from tests.relevance.zennit_oracle import NETWORKS, distance, exported, network

SINGLE, DOUBLE = 1e-4, 1e-6
FOLDED = {"conv2d"}
"""Networks with a normalization, which is folded into weights of float32."""
BOX = {"low": -3.0, "high": 3.5}
EVERYWHERE = {
    "lrp-epsilon": (zennit.rules.Epsilon, {"epsilon": 0.1}),
    "lrp-gamma": (zennit.rules.Gamma, {"gamma": 0.5}),
    "lrp-zplus": (zennit.rules.ZPlus, {}),
    "lrp-alpha-beta": (zennit.rules.AlphaBeta, {}),
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
}
every_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def onnx_model(name):
    return onnxpath.load(exported(*network(name)), providers="cpu")


def check(name, x, expected, composite, **options):
    """The map in float32 by ONNX Runtime, and in float64 by onnx's reference evaluator."""
    loaded, rows = onnx_model(name), x.numpy()
    found = onnxpath.attribute(loaded, rows, method="lrp", composite=composite, **options).values
    assert distance(found, expected) <= SINGLE
    goal = resolve_target(loaded, None, len(rows))
    setup = Setup.of(loaded, goal, layers=())
    program = to_double(spelled_program(lrp, setup, options={"composite": composite, **options}))
    values = reference(program, {"x": rows.astype(np.float64), **goal.feed(slice(None))})
    assert distance(values[GRAD + "x"], expected) <= (SINGLE if name in FOLDED else DOUBLE)
    assert values[LOGITS].dtype == np.float64


@every_network
@pytest.mark.parametrize("rule", EVERYWHERE)
def test_rule_in_every_layer(name, rule):
    net, x = network(name)
    made, options = EVERYWHERE[rule]
    check(name, x, zennit.relevance(net, x, zennit.everywhere(made(**options))), rule, **options)


@every_network
@pytest.mark.parametrize("composite", COMPOSITES)
def test_composite(name, composite):
    if name == "dense" and composite == "epsilon-gamma-box":
        pytest.skip("has a rule for convolutions first")
    net, x = network(name)
    options = COMPOSITES[composite]
    check(
        name,
        x,
        zennit.relevance(net, x, zennit.preset(composite.replace("-", "_"), **options)),
        composite,
        **options,
    )


@pytest.mark.parametrize("name", ["conv2d", "transposed", "conv1d"])
@pytest.mark.parametrize("method", ["guided-backprop", "deconvnet"])
def test_rectified(name, method):
    net, x = network(name)
    expected = zennit.gradient(net, x, zennit.preset(method.replace("-", "_")))
    found = onnxpath.attribute(onnx_model(name), x.numpy(), method=method).values
    assert distance(found, expected) <= SINGLE
