"""Torch networks that Zennit and onnxpath are compared on: one for each kind of layer, and some of the usual shapes."""

from itertools import pairwise

import torch
from torch import nn
from zennit.layer import Sum

from sample_models.networks import from_onnx
from tests.models import sample


class Join(nn.Module):
    """A sum of two branches that Zennit has a rule for; exported as a plain Add."""

    def __init__(self):
        super().__init__()
        self.sum = Sum()

    def forward(self, a, b):
        return a + b if torch.onnx.is_in_onnx_export() else self.sum(torch.stack((a, b), -1))


class Block(nn.Module):
    """Two convolutions beside an identity or a projection."""

    def __init__(self, inner, outer, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.shortcut = nn.Identity()
        if stride != 1 or inner != outer:
            self.shortcut = nn.Sequential(nn.Conv2d(inner, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer))
        self.join = Join()
        self.relu2 = nn.ReLU()

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(self.join(y, self.shortcut(x)))


# ---------------------------------------------------------------------------------------------- a network for a layer


def ended(layers, shape):
    """Layers, flattened, and a dense one with five outputs behind them; and the shape of a row."""
    with torch.no_grad():
        size = nn.Sequential(*layers).eval()(torch.zeros(1, *shape)).numel()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 5)), shape


def linear():
    return nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 7, bias=False), nn.Tanh(), nn.Linear(7, 4)), (9,)


def conv1d():
    layers = [nn.Conv1d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv1d(5, 6, 3, stride=2, bias=False), nn.ReLU()]
    return ended([*layers, nn.AvgPool1d(2)], (2, 11))


def conv2d():
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, stride=2, padding=1)]
    return ended([*layers, nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False), nn.ELU()], (3, 8, 8))


def conv3d():
    layers = [nn.Conv3d(1, 4, 2), nn.ReLU(), nn.AvgPool3d(2), nn.Conv3d(4, 5, 2, bias=False), nn.ReLU()]
    return ended(layers, (1, 5, 5, 5))


def transposed1d():
    layers = [nn.ConvTranspose1d(2, 4, 3, stride=2), nn.ReLU(), nn.ConvTranspose1d(4, 3, 3, padding=1, bias=False)]
    return ended([*layers, nn.ReLU()], (2, 5))


def transposed2d():
    layers = [nn.Conv2d(2, 4, 3, stride=2), nn.ReLU(), nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1), nn.ReLU()]
    return ended([*layers, nn.ConvTranspose2d(3, 3, 2, groups=3, bias=False), nn.ReLU()], (2, 5, 5))


def transposed3d():
    layers = [nn.ConvTranspose3d(2, 3, 2), nn.ReLU(), nn.ConvTranspose3d(3, 2, 2, stride=2, bias=False), nn.ReLU()]
    return ended(layers, (2, 3, 2, 2))


def merged_linear():
    layers = [nn.Linear(9, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU()]
    return ended(layers, (9,))


def merged_conv():
    layers = [
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
    ]
    return ended(layers, (3, 8, 8))


def merged_transposed():
    layers = [nn.ConvTranspose2d(2, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 2), nn.ReLU()]
    return ended(layers, (2, 4, 4))


LAYERS = (linear, conv1d, conv2d, conv3d, transposed1d, transposed2d, transposed3d)
LAYERS += (merged_linear, merged_conv, merged_transposed)


# ------------------------------------------------------------------------------------------------------ usual networks


def vgg():
    layers = []
    for inner, outer in ((3, 6), (6, 6), (6, 10), (10, 10)):
        layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if inner == outer else []
    dense = [nn.Flatten(), nn.Linear(160, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 7)]
    return nn.Sequential(*layers, *dense), (3, 16, 16)


def resnet18():
    """Eight blocks in four stages, as ResNet-18, at narrow widths."""
    stem = [nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    widths = [6, 6, 6, 8, 8, 12, 12, 16, 16]
    blocks = [Block(a, b, 1 + (a != b)) for a, b in pairwise(widths)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 6)), (3, 32, 32)


def digits_cnn():
    net = from_onnx(sample("digits_cnn"))
    layers = [net.conv1, nn.ReLU(), net.pool1, net.conv2, nn.ReLU(), net.pool2, net.conv3, nn.ReLU(), nn.Flatten()]
    return trained(nn.Sequential(*layers, net.fc1, nn.ReLU(), net.fc2))


def digits_resnet():
    net = from_onnx(sample("digits_resnet"))
    blocks = []
    for old in (net.block1, net.block2, net.block3):
        block = Block(old.conv1.in_channels, old.conv1.out_channels, old.conv1.stride[0])
        block.load_state_dict(old.state_dict())
        blocks.append(block)
    return trained(nn.Sequential(net.conv, net.bn, nn.ReLU(), *blocks, net.pool, nn.Flatten(), net.fc))


def trained(net):
    """A sample model as modules, whose normalization statistics are its own; and the shape of a row."""
    net.trained = True
    return net, (1, 16, 16)


USUAL = (vgg, resnet18, digits_cnn, digits_resnet)
NETWORKS = {made.__name__: made for made in (*LAYERS, *USUAL)}
