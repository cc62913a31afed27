"""What is trained in tests: a small network, and pictures that it can learn."""

import numpy as np

from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.training.data import Examples
from tests.models import parse

LAYOUT = Layout.of((2, 8, 8))


def small(normalized, shared=False):
    """A network [n, 2, 8, 8] -> [n, 3] and its weights; c1_weight is torch's c1.weight."""
    rng = np.random.default_rng(0)
    shapes = {"c1_weight": (4, 2, 3, 3), "c1_bias": 4, "c2_weight": (4, 4, 3, 3), "c2_bias": 4}
    shapes |= {"fc_weight": (3, 16), "fc_bias": 3}
    arrays = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    if normalized:
        for i in (1,) if shared else (1, 2):
            arrays |= {f"b{i}_weight": np.ones(4, "f"), f"b{i}_bias": np.zeros(4, "f")}
            arrays |= {f"b{i}_running_mean": np.zeros(4, "f"), f"b{i}_running_var": np.ones(4, "f")}

    def block(i, attributes, source):
        b = 1 if shared else i
        tensors = f"b{b}_weight, b{b}_bias, b{b}_running_mean, b{b}_running_var"
        norm = f"n{i} = BatchNormalization<momentum = 0.9>(z{i}, {tensors}); " if normalized else ""
        conv = f"z{i} = Conv<pads = [1, 1, 1, 1]{attributes}>({source}, c{i}_weight, c{i}_bias); "
        return conv + norm + f"r{i} = Relu({'n' if normalized else 'z'}{i}); "

    text = block(1, "", "x") + "p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r1); "
    text += block(2, ", strides = [2, 2]", "p") + "f = Flatten(r2); y = Gemm<transB = 1>(f, fc_weight, fc_bias)"
    return parse(f"m (float[n, 2, 8, 8] x) => (float[n, 3] y) {{ {text} }}", **arrays), arrays


def stripes(rows, rng, classes=3):
    """Pictures [rows, 2, 8, 8] whose class is where a bright bar stands."""
    labels = rng.integers(0, classes, rows)
    x = rng.normal(0, 0.3, (rows, 2, 8, 8)).astype(np.float32)
    for row, label in enumerate(labels):
        x[row, :, :, 2 * label] += 2
    return Examples(x, labels)
