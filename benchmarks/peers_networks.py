"""The same networks as torch modules with random weights, exported once, so that both sides compute the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.exporters.torchvision_stub import declare_operators

declare_operators()

import torchvision  # noqa: E402


def vit_small() -> torch.nn.Module:
    """A vision transformer of the size called S/16."""
    return torchvision.models.VisionTransformer(224, 16, 12, 6, 384, 1536)


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "resnet18": lambda: torchvision.models.resnet18(),
    "resnet50": lambda: torchvision.models.resnet50(),
    "vgg11": lambda: torchvision.models.vgg11(),
    "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(),
    "vit_s": vit_small,
}
CAM_LAYER: dict[str, Callable[[torch.nn.Module], torch.nn.Module]] = {
    "resnet18": lambda net: net.layer4[-1],
    "resnet50": lambda net: net.layer4[-1],
    "vgg11": lambda net: net.features[-2],
    "mobilenet_v2": lambda net: net.features[-1],
}
"""Where Grad-CAM looks: the last layer with positions."""


def network(name: str) -> torch.nn.Module:
    """Return a network in eval mode, weights frozen, the same one every time; activations make new tensors."""
    torch.manual_seed(0)
    net = NETWORKS[name]().eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(getattr(module, "inplace", None), bool):
            module.inplace = False
    return net


def export(name: str, path: Path) -> None:
    """Write the network as ONNX with a symbolic batch."""
    x = torch.zeros(2, 3, 224, 224)
    axes = {"x": {0: "N"}}
    # The fused attention of eval mode has no ONNX operator; it is for inference without gradients only.
    torch.backends.mha.set_fastpath_enabled(False)
    torch.onnx.export(network(name), (x,), path, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes)
