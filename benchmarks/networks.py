"""Networks with random weights, as exporters write them: BatchNormalization folded, symbolic batch, opset 17."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


class Net:
    """Collects nodes and weights; every method returns the name of the tensor it makes."""

    def __init__(self, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(seed)

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        """Add a node with one output."""
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def weight(self, values: object, dtype: type = np.float32) -> str:
        """Add an initializer."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def normal(self, *shape: int, fan_in: int) -> str:
        """Add an initializer of He's variance, so that activations neither vanish nor grow."""
        return self.weight(self.rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in))

    def conv(self, x: str, into: int, out: int, kernel: int, stride: int = 1, relu: bool = True) -> str:
        """Conv that keeps the size up to its stride, with the bias that a folded BatchNormalization leaves."""
        W, b = self.normal(out, into, kernel, kernel, fan_in=into * kernel**2), self.weight(np.zeros(out))
        pads = [kernel // 2] * 4
        y = self.add("Conv", x, W, b, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        return self.add("Relu", y) if relu else y

    def gemm(self, x: str, into: int, out: int) -> str:
        """A dense layer as torch exports it: the weight transposed."""
        return self.add("Gemm", x, self.normal(out, into, fan_in=into), self.weight(np.zeros(out)), transB=1)

    def linear(self, x: str, into: int, out: int) -> str:
        """A dense layer over the last of several axes."""
        return self.add("Add", self.add("MatMul", x, self.normal(into, out, fan_in=into)), self.weight(np.zeros(out)))

    def model(self, output: str, classes: int, size: int = 224) -> onnx.ModelProto:
        """Close the network: images [N, 3, size, size] to [N, classes]."""
        x = helper.make_tensor_value_info("x", FLOAT, ["N", 3, size, size])
        y = helper.make_tensor_value_info(output, FLOAT, ["N", classes])
        graph = helper.make_graph(self.nodes, "benchmark", [x], [y], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def resnet(blocks: Sequence[int], bottleneck: bool) -> onnx.ModelProto:
    """ResNet for 224 px; blocks: of each of the four stages."""
    net = Net()
    x = net.add("MaxPool", net.conv("x", 3, 64, 7, 2), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        out = width * 4 if bottleneck else width
        for block in range(count):
            stride = 2 if stage and not block else 1
            skip = x if channels == out and stride == 1 else net.conv(x, channels, out, 1, stride, relu=False)
            if bottleneck:
                y = net.conv(x, channels, width, 1)
                y = net.conv(net.conv(y, width, width, 3, stride), width, out, 1, relu=False)
            else:
                y = net.conv(net.conv(x, channels, width, 3, stride), width, out, 3, relu=False)
            x, channels = net.add("Relu", net.add("Add", y, skip)), out
    flat = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    return net.model(net.gemm(flat, channels, 1000), 1000)


def vgg11() -> onnx.ModelProto:
    """VGG-11 for 224 px."""
    net = Net()
    x, channels = "x", 3
    for widths in ([64], [128], [256, 256], [512, 512], [512, 512]):
        for width in widths:
            x, channels = net.conv(x, channels, width, 3), width
        x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    flat = net.add("Flatten", x, axis=1)
    hidden = net.add("Relu", net.gemm(flat, 512 * 49, 4096))
    hidden = net.add("Relu", net.gemm(hidden, 4096, 4096))
    return net.model(net.gemm(hidden, 4096, 1000), 1000)


def vit(nodes: int, width: int = 192, heads: int = 3) -> onnx.ModelProto:
    """A vision transformer of about that many nodes, attention and GELU written in primitive operators."""
    net = Net()
    tokens = 196
    patches = net.add("Conv", "x", net.normal(width, 3, 16, 16, fan_in=768), kernel_shape=[16] * 2, strides=[16] * 2)
    x = net.add("Reshape", patches, net.weight([0, width, tokens], np.int64))
    x = net.add("Transpose", x, perm=[0, 2, 1])
    x = net.add("Add", x, net.weight(np.zeros([1, tokens, width])))
    while len(net.nodes) < nodes - 2:
        x = _encoder_block(net, x, tokens, width, heads)
    x = net.add("ReduceMean", x, axes=[1], keepdims=0)
    return net.model(net.gemm(x, width, 1000), 1000)


def _encoder_block(net: Net, x: str, tokens: int, width: int, heads: int) -> str:
    split = net.weight([0, tokens, heads, width // heads], np.int64)

    def norm(t: str) -> str:
        return net.add("LayerNormalization", t, net.weight(np.ones(width)), net.weight(np.zeros(width)))

    def head(t: str, perm: list[int]) -> str:
        return net.add("Transpose", net.add("Reshape", net.linear(t, width, width), split), perm=perm)

    y = norm(x)
    q, k, v = head(y, [0, 2, 1, 3]), head(y, [0, 2, 3, 1]), head(y, [0, 2, 1, 3])
    scores = net.add("Mul", net.add("MatMul", q, k), net.weight((width / heads) ** -0.5))
    mixed = net.add("Transpose", net.add("MatMul", net.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    joined = net.add("Reshape", mixed, net.weight([0, tokens, width], np.int64))
    x = net.add("Add", x, net.linear(joined, width, width))
    h = net.linear(norm(x), width, 4 * width)
    area = net.add("Add", net.add("Erf", net.add("Div", h, net.weight(2**0.5))), net.weight(1.0))
    gelu = net.add("Mul", net.add("Mul", h, area), net.weight(0.5))
    return net.add("Add", x, net.linear(gelu, 4 * width, width))


BUILDERS: dict[str, Callable[[], onnx.ModelProto]] = {
    "resnet18": partial(resnet, [2, 2, 2, 2], bottleneck=False),
    "resnet50": partial(resnet, [3, 4, 6, 3], bottleneck=True),
    "vgg11": vgg11,
}
