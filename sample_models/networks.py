"""The torch definitions of the sample models, and the way back from an .onnx file to the same torch module.

Every parameter has the same name in the torch module and in the ONNX file, so no table of names is needed.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

IMAGE_SIZE = 16
CLASSES = 10


class DigitsCnn(nn.Module):
    """Three convolutions, two max-pools (2x2, then 3x3 windows that overlap), two dense layers.

    float32 [N, 1, 16, 16] -> logits float32 [N, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1)
        self.pool1 = nn.MaxPool2d(2)
        self.pool2 = nn.MaxPool2d(3, stride=2, padding=1)
        self.fc1 = nn.Linear(32 * 4 * 4, 32)
        self.fc2 = nn.Linear(32, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool1(self.conv1(image).relu())
        x = self.pool2(self.conv2(x).relu())
        x = self.conv3(x).relu()
        return self.fc2(self.fc1(x.flatten(1)).relu())


class ResidualBlock(nn.Module):
    """Conv, BatchNorm, ReLU, Conv, BatchNorm, plus a shortcut, ReLU.

    [N, inner, H, W] -> [N, outer, H / stride, W / stride].
    """

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inner != outer:
            self.shortcut = nn.Sequential(nn.Conv2d(inner, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y))
        return (y + self.shortcut(x)).relu()


class DigitsResNet(nn.Module):
    """A stem and three residual blocks (identity, then two strided projections), global average pooling.

    float32 [N, 1, 16, 16] -> logits float32 [N, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(12)
        self.block1 = ResidualBlock(12, 12, stride=1)
        self.block2 = ResidualBlock(12, 24, stride=2)
        self.block3 = ResidualBlock(24, 48, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(48, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        x = self.bn(self.conv(image)).relu()
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(self.pool(x).flatten(1))


class Dense(nn.Module):
    """x @ weight + bias on the last axis: [..., inner] -> [..., outer].

    The weight is stored [inner, outer], as ONNX MatMul wants it: torch's Linear stores it transposed, and the
    exporter then folds the transposition into an initializer that has lost its name.
    """

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(inner, outer)))
        self.bias = nn.Parameter(torch.zeros(outer))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class SelfAttention(nn.Module):
    """Multi-head self-attention in plain matrix products. [N, T, width] -> the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = width // heads
        self.qkv = Dense(width, 3 * width)
        self.out = Dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        qkv = self.qkv(x).reshape(batch, -1, 3, self.heads, self.head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * self.head_width**-0.5
        mixed = (scores.softmax(-1) @ v).transpose(1, 2)
        return self.out(mixed.reshape(batch, -1, self.heads * self.head_width))


class EncoderBlock(nn.Module):
    """Pre-norm transformer encoder block: attention, then GELU perceptron, each with a residual. Keeps the shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = Dense(width, 2 * width)
        self.fc2 = Dense(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class DigitsViT(nn.Module):
    """A vision transformer: 4x4 patches, a class token, learned positions, two encoder blocks of four heads.

    float32 [N, 1, 16, 16] -> logits float32 [N, 10].
    """

    def __init__(self, width: int = 48, heads: int = 4, depth: int = 2, patch: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + (IMAGE_SIZE // patch) ** 2, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patches(image).flatten(2).transpose(1, 2)
        first = self.class_token.expand(image.shape[0], -1, -1)
        x = torch.cat([first, patches], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


NETWORKS: dict[str, type[nn.Module]] = {
    "digits_cnn": DigitsCnn,
    "digits_resnet": DigitsResNet,
    "digits_vit": DigitsViT,
}


def from_onnx(path: str | Path) -> nn.Module:
    """The torch module, in eval mode, that holds the weights of one of the sample .onnx files.

    The graph's name (`digits_cnn`, ...) tells which class; KeyError if it is none of NETWORKS, RuntimeError if a
    parameter or buffer of that class is missing from the initializers.
    """
    graph = onnx.load(path).graph
    module = NETWORKS[graph.name]()
    held = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    state = module.state_dict()
    # A training counter of BatchNormalization: it has no place in an inference file and no effect on the output.
    counters = {name: value for name, value in state.items() if name.endswith("num_batches_tracked")}
    module.load_state_dict({name: value for name, value in held.items() if name in state} | counters)
    return module.eval()
