"""Zennit's relevance of torch networks, and the same networks as ONNX."""

import io
import warnings

import numpy as np
import torch

from tests.exporters.torchvision_stub import declare_operators

declare_operators()  # zennit imports torchvision

from torch import nn  # noqa: E402
from zennit import rules as rules  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.canonizers import SequentialMergeBatchNorm  # noqa: E402
from zennit.composites import COMPOSITES, LayerMapComposite, layer_map_base  # noqa: E402
from zennit.types import Linear  # noqa: E402

from tests.relevance.networks import NETWORKS  # noqa: E402


def network(name):
    """A network with random weights and normalization statistics, or a trained one, and its input.

    What Zennit leaves of a merged normalization still divides by the root of 1 + eps, so here eps is part of the
    variance and itself zero.
    """
    torch.manual_seed(sum(map(ord, name)) + 3)
    made, shape = NETWORKS[name]()
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if not getattr(made, "trained", False):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.normal_(0, 0.3)
            module.running_var += module.eps
            module.eps = 0.0
    return made.eval(), torch.randn(2, *shape)


def exported(net, x):
    """The network as ONNX bytes with a symbolic batch, float32, its normalizations kept."""
    file = io.BytesIO()
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "N"}, "y": {0: "N"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = torch.onnx.TrainingMode.PRESERVE
        torch.onnx.export(net, (x,), file, dynamo=False, opset_version=17, training=kept, **names)
    return file.getvalue()


def relevance(net, x, composite):
    """Zennit's map in float64, from the logit of each row's largest entry."""
    return _map(net, x, composite, lambda y: y)


def gradient(net, x, composite):
    """Zennit's modified gradient in float64, of the largest entry of each row."""
    return _map(net, x, composite, torch.ones_like)


def _map(net, x, composite, start):
    net, x = net.double(), x.double()
    with Gradient(model=net, composite=composite) as attributor:
        _, made = attributor(x, lambda y: start(y) * nn.functional.one_hot(y.argmax(1), y.shape[1]))
    net.float()
    return made.detach().numpy()


def preset(name, **options):
    """A composite of Zennit by its name there, with normalization merged into the layer before."""
    return COMPOSITES[name](canonizers=[SequentialMergeBatchNorm()], **options)


def everywhere(rule):
    """A composite with one rule in every linear layer."""
    return LayerMapComposite([*layer_map_base(), (Linear, rule)], canonizers=[SequentialMergeBatchNorm()])


def distance(found, expected):
    """Relative L2."""
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)
