"""Maps of a layer and of a neuron against Captum, on five networks."""

from unittest.mock import patch

import numpy as np
import pytest

from tests.conftest import absent

if missing := absent("captum", "torch"):
    pytest.skip(missing, allow_module_level=True)

import captum.attr as captum
import torch

from tests.attribution.captum_compared import STEPS, check, every_network, inputs, middle, starts, unpooled
from tests.attribution.captum_networks import RECTIFIED, TARGETS, network

pytestmark = pytest.mark.filterwarnings("ignore")

# ---------------------------------------------------------------------------------------------------- maps of a layer


@every_network
def test_layer(name):
    net, x = network(name), inputs(name)
    module, layer = middle(name)
    check("layer-activation", "LayerActivation", name, captum.LayerActivation(net, module).attribute(x), layer=layer)
    for whole in (True, False):
        oracle = captum.LayerGradientXActivation(net, module, multiply_by_inputs=whole)
        title = "layer-gradient-x-activation" + ("" if whole else ", multiply_by_inputs=False")
        asked = {"layer": layer, "multiply_by_inputs": whole}
        expected = oracle.attribute(x, TARGETS).detach()
        check("layer-gradient-x-activation", "LayerGradientXActivation", name, expected, title, **asked)
    expected = captum.LayerGradientXActivation(net, module).attribute(x, TARGETS).detach()
    check("input-x-gradient", "LayerGradientXActivation", name, expected, "input-x-gradient, wrt a layer", wrt=[layer])


@pytest.mark.parametrize("quadrature", ["gausslegendre", "riemann_trapezoid", "riemann_left"])
@every_network
def test_layer_along_a_path(name, quadrature):
    net, x, first = network(name), inputs(name), starts(name)[1]
    module, layer = middle(name)
    asked = {"layer": layer, "baselines": first.numpy(), "n_steps": STEPS, "quadrature": quadrature}
    expected, delta = captum.LayerConductance(net, module).attribute(
        x, first, TARGETS, n_steps=STEPS, method=quadrature, return_convergence_delta=True
    )
    title = f", {quadrature}"
    found = check("conductance", "LayerConductance", name, expected.detach(), "conductance" + title, **asked)
    np.testing.assert_allclose(found.delta, delta.detach(), atol=1e-6)
    oracle = captum.InternalInfluence(net, module)
    expected = oracle.attribute(x, first, TARGETS, n_steps=STEPS, method=quadrature).detach()
    check("internal-influence", "InternalInfluence", name, expected, "internal-influence" + title, **asked)


# ---------------------------------------------------------------------------------------------------- maps of a neuron


@every_network
def test_neuron(name):
    net, x, first = network(name), inputs(name), starts(name)[1]
    module, layer = middle(name)
    values = captum.LayerActivation(net, module).attribute(x)
    # The one that is largest in the first row: it is active.
    neuron = np.unravel_index(int(values[0].argmax()), values.shape[1:])
    asked = {"output": layer, "target": [tuple(map(int, neuron))] * len(x)}
    place = tuple(map(int, neuron))
    check("gradient", "NeuronGradient", name, captum.NeuronGradient(net, module).attribute(x, place), **named(asked))
    oracle = captum.NeuronIntegratedGradients(net, module)
    expected = oracle.attribute(x, place, first, n_steps=STEPS).detach()
    path = {"baselines": first.numpy(), "n_steps": STEPS}
    path = named(asked | path, "integrated-gradients")
    check("integrated-gradients", "NeuronIntegratedGradients", name, expected, **path)
    for whole in (True, False):
        oracle = captum.NeuronConductance(net, module, multiply_by_inputs=whole)
        expected = oracle.attribute(x, place, first, TARGETS, n_steps=STEPS, method="gausslegendre").detach()
        options = {"layer": layer, "neuron": place, "baselines": first.numpy(), "n_steps": STEPS}
        title = "neuron-conductance" + ("" if whole else ", multiply_by_inputs=False")
        options["multiply_by_inputs"] = whole
        check("neuron-conductance", "NeuronConductance", name, expected, title, **options)
    if name not in RECTIFIED:
        return
    expected = captum.NeuronGuidedBackprop(net, module).attribute(x, place).detach()
    check("guided-backprop", "NeuronGuidedBackprop", name, expected, **named(asked, "guided-backprop"))
    oracle = captum.NeuronDeepLift(net, module)
    with patch("torch.nn.functional.max_unpool2d", unpooled):
        parts = [oracle.attribute(x[i : i + 1], place, first).detach() for i in range(len(x))]
    asked["baselines"] = first.numpy()
    check("deeplift", "NeuronDeepLift", name, torch.cat(parts), **named(asked, "deeplift"))


def named(asked, method="gradient"):
    return {"title": f"{method} of a neuron", **asked}
