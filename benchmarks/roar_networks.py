"""The networks that are retrained, as ONNX text; their weights are zeros, since every training begins by the fan-in."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def mnist_cnn() -> onnx.ModelProto:
    """Two convolutions with max-pooling and two dense layers: [N, 1, 28, 28] -> [N, 10], 26,698 weights."""
    shapes = {"w1": (8, 1, 3, 3), "b1": (8,), "w2": (16, 8, 3, 3), "b2": (16,)}
    shapes |= {"w3": (32, 784), "b3": (32,), "w4": (10, 32), "b4": (10,)}
    pool = "MaxPool<kernel_shape = [2, 2], strides = [2, 2]>"
    return _model(
        "mnist_cnn (float[N, 1, 28, 28] image) => (float[N, 10] logits)",
        [
            f"z1 = {CONV}(image, w1, b1) r1 = Relu(z1) p1 = {pool}(r1)",
            f"z2 = {CONV}(p1, w2, b2) r2 = Relu(z2) p2 = {pool}(r2) flat = Flatten(p2)",
            "z3 = Gemm<transB = 1>(flat, w3, b3) r3 = Relu(z3) logits = Gemm<transB = 1>(r3, w4, b4)",
        ],
        shapes,
    )


def resnet8(widths: tuple[int, ...] = (16, 32, 64)) -> onnx.ModelProto:
    """RoarTorch's ResNet-8 for CIFAR-10: a stem, one block of two convolutions at each width, average pooling.

    [N, 3, 32, 32] -> [N, 10]; BatchNormalization behind every convolution, 1×1 projections where the width changes.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    lines: list[str] = []

    def unit(name: str, source: str, inner: int, outer: int, kernel: int, stride: int) -> str:
        shapes[f"{name}_w"] = (outer, inner, kernel, kernel)
        shapes.update({f"{name}_{part}": (outer,) for part in ("scale", "shift", "mean", "var")})
        pad = kernel // 2
        attributes = f"pads = [{pad}, {pad}, {pad}, {pad}], strides = [{stride}, {stride}]"
        lines.append(f"{name}_z = Conv<{attributes}>({source}, {name}_w)")
        tensors = ", ".join(f"{name}_{part}" for part in ("scale", "shift", "mean", "var"))
        lines.append(f"{name} = BatchNormalization({name}_z, {tensors})")
        return name

    last, inner = "stem_r", widths[0]
    stem = unit("stem", "image", 3, inner, 3, 1)
    lines.append(f"{last} = Relu({stem})")
    for stage, outer in enumerate(widths):
        stride = 1 if stage == 0 else 2
        first = unit(f"s{stage}a", last, inner, outer, 3, stride)
        lines.append(f"{first}_r = Relu({first})")
        second = unit(f"s{stage}b", f"{first}_r", outer, outer, 3, 1)
        by = last if (stride, inner) == (1, outer) else unit(f"s{stage}p", last, inner, outer, 1, stride)
        lines += [f"s{stage} = Add({second}, {by})", f"s{stage}_r = Relu(s{stage})"]
        last, inner = f"s{stage}_r", outer
    shapes |= {"fc_w": (10, inner), "fc_b": (10,)}
    lines += [f"pooled = GlobalAveragePool({last})", "flat = Flatten(pooled)"]
    lines.append("logits = Gemm<transB = 1>(flat, fc_w, fc_b)")
    return _model("resnet8 (float[N, 3, 32, 32] image) => (float[N, 10] logits)", lines, shapes)


CONV = "Conv<pads = [1, 1, 1, 1]>"


def _model(signature: str, lines: list[str], shapes: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    body = "\n".join(lines)
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {signature} {{ {body} }}')
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in zeros.items())
    onnx.checker.check_model(model, full_check=True)
    return model
