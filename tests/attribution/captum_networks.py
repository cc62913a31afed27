"""Networks for Captum: torch modules in which every activation is a module of its own, and the same as ONNX."""

import io
import warnings
from functools import cache
from itertools import pairwise

import numpy as np
import onnx
import torch
from torch import fx, nn

from sample_models.networks import NETWORKS as SAMPLE_CLASSES
from sample_models.networks import from_onnx
from tests.models import sample, sample_images

ROWS = 2
TARGETS = [1, 2]


class Again(nn.Module):
    """A tensor of its own: of two modules on one tensor, Captum's hooks let the first see what the second replaces."""

    def forward(self, x):
        return x.clone()


class Block(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()),
            *(nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer)),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or inner != outer:
            self.shortcut = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


def vgg():
    def stage(inner, outer, convs):
        for i in range(convs):
            yield from (nn.Conv2d(inner if i == 0 else outer, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU())
        yield nn.MaxPool2d(2)

    stages = [*stage(3, 4, 1), *stage(4, 6, 2), *stage(6, 8, 2)]
    return nn.Sequential(*stages, nn.Flatten(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 5)), (3, 16, 16)


def resnet18():
    widths = (4, 4, 6, 8, 8)
    stem = [nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    stages = [
        block
        for i, (inner, outer) in enumerate(pairwise(widths))
        for block in (Block(inner, outer, 1 if i == 0 else 2), Block(outer, outer, 1))
    ]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 5)), (3, 24, 24)


def vit():
    return SAMPLE_CLASSES["digits_vit"](width=16, heads=2, depth=2, patch=4), (1, 16, 16)


MADE = {"VGG-like": vgg, "ResNet-18-like": resnet18, "ViT-like": vit}
SAMPLES = {"sample CNN": "digits_cnn", "sample ResNet": "digits_resnet"}
NETWORKS = (*SAMPLES, *MADE)
RECTIFIED = tuple(name for name in NETWORKS if name != "ViT-like")


@cache
def network(name):
    """A network in float64, every activation a module `activation_<k>`, in order."""
    if name in SAMPLES:
        net = from_onnx(sample(SAMPLES[name]))
    else:
        torch.manual_seed(3)
        net, shape = MADE[name]()
        net.train()
        with torch.no_grad():
            net(torch.randn(16, *shape))  # gives normalizations their statistics
    return in_modules(net.eval().requires_grad_(False)).double()


def in_modules(net):
    """The same network, its activations and pools modules that are used once; pools read a tensor of their own."""
    traced = fx.symbolic_trace(net)
    made = dict(traced.named_modules())
    count = 0
    for node in list(traced.graph.nodes):
        module = made.get(node.target) if node.op == "call_module" else None
        rectifies = node.target == "relu" or isinstance(module, nn.ReLU)
        if rectifies or node.target is nn.functional.gelu:
            traced.add_submodule(f"activation_{count}", nn.ReLU() if rectifies else nn.GELU())
            replace(traced, node, f"activation_{count}")
            count += 1
        elif isinstance(module, nn.MaxPool2d):
            traced.add_submodule(f"again_{node.name}", Again())
            with traced.graph.inserting_before(node):
                node.replace_input_with(node.args[0], traced.graph.call_module(f"again_{node.name}", (node.args[0],)))
    traced.recompile()
    return traced


def replace(traced, node, name):
    with traced.graph.inserting_after(node):
        node.replace_all_uses_with(traced.graph.call_module(name, (node.args[0],)))
    traced.graph.erase_node(node)


@cache
def rows(name):
    """Input rows, float32, and a sample of three baselines."""
    rng = np.random.default_rng(4)
    if name in SAMPLES:
        # The pictures' even background lies on the kinks of max-pools: another rounding takes another winner there.
        x = (sample_images() + 0.05 * rng.standard_normal(sample_images().shape)).astype(np.float32)
        return x[:ROWS], x[5:8]
    shape = MADE[name]()[1]
    return tuple(rng.standard_normal((count, *shape)).astype(np.float32) for count in (ROWS, 3))


@cache
def exported(name):
    """The network as a ModelProto in float32; of a sample the file."""
    if name in SAMPLES:
        return onnx.load(sample(SAMPLES[name]))
    net = network(name).float()
    made = export(net, torch.tensor(rows(name)[0]))
    net.double()
    return made


def export(net, x):
    """A network as a ModelProto with input x, output y and any number of rows."""
    file = io.BytesIO()
    names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": {"x": {0: "N"}, "y": {0: "N"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = torch.onnx.TrainingMode.PRESERVE  # normalizations stay, to be folded in whatever precision it is run in
        torch.onnx.export(net, (x,), file, dynamo=False, opset_version=17, training=kept, **names)
    return onnx.load_from_string(file.getvalue())
