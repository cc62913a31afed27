"""Zennit's relevance of small torch networks, and the same networks as ONNX."""

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


def conv1d():
    layers = [nn.Conv1d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv1d(5, 6, 3, stride=2), nn.ReLU(), nn.AvgPool1d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(12, 4)), (2, 11)


def conv2d():
    layers = [
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ]
    return nn.Sequential(*layers, nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 5)), (3, 8, 8)


def conv3d():
    layers = [nn.Conv3d(1, 4, 2), nn.ReLU(), nn.AvgPool3d(2), nn.Conv3d(4, 5, 2), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(5, 4)), (1, 5, 5, 5)


def transposed():
    layers = [nn.Conv2d(2, 4, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(3, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)), (2, 5, 5)


def dense():
    return nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, 4)), (9,)


NETWORKS = {f.__name__: f for f in (conv1d, conv2d, conv3d, transposed, dense)}


def network(name):
    """A network with random weights and normalization statistics, its input and its shape of a row."""
    torch.manual_seed(sum(map(ord, name)))
    made, shape = NETWORKS[name]()
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
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
    net, x = net.double(), x.double()
    with Gradient(model=net, composite=composite) as attributor:
        _, made = attributor(x, lambda y: y * nn.functional.one_hot(y.argmax(1), y.shape[1]))
    net.float()
    return made.detach().numpy()


def gradient(net, x, composite):
    """Zennit's modified gradient in float64, of the largest entry of each row."""
    net, x = net.double(), x.double()
    with Gradient(model=net, composite=composite) as attributor:
        _, made = attributor(x, lambda y: nn.functional.one_hot(y.argmax(1), y.shape[1]).double())
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
