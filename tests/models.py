"""What the tests of several folders share: sample models, small models written as ONNX text, and how to run them."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from PIL import Image

from onnxpath.batch.preprocess import load_preprocess

FOLDER = Path(__file__).resolve().parents[1] / "sample_models"
SAMPLES = ("digits_cnn", "digits_resnet", "digits_vit")
REAL = ("resnet20_cifar10", "resnet20_cifar10_unfolded_bn", "resnet8_mlperftiny_cifar10", "mnist8_cntk")
QUICK = {"dgr-neuron": {"n_steps": 20, "tries": 2}}
"""Options for selectors that take long by default."""
OWN_DENSITY = ("active-subnet", "dgr")
"""Selectors that take no sparsity."""
LARGE = ("squeezenet1_1", "mobilenet_v2_1.0_224")


def sample(name):
    """The path of a sample model."""
    return FOLDER / f"{name}.onnx"


@cache
def sample_images():
    """The twelve sample pictures, float32 [12, 1, 16, 16]; not to be written to."""
    preprocess = load_preprocess(FOLDER / "preprocess.toml")
    x = np.stack([preprocess.apply(Image.open(file))[0] for file in sorted((FOLDER / "images").glob("*.png"))])
    x.flags.writeable = False
    return x


def real_input(folder, name, rows):
    """Rows of real images as a real model wants them; the folder is the fixture data_dir."""
    if name.startswith("mnist"):
        return np.load(folder / "images" / "mnist_test.npz")["images"][:rows, None].astype(np.float32)
    images = np.load(folder / "images" / "cifar10_test_100_lossless.npz")["images"][:rows]
    x = images.transpose(0, 3, 1, 2).astype(np.float32)
    if name.startswith("resnet8"):
        return x
    if name in LARGE:
        x = x.repeat(7, 2).repeat(7, 3)
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return (x / 255 - mean[:, None, None]) / std[:, None, None]


def parse(text, opset=21, ir=10, **initializers):
    """A model from `m (inputs) => (outputs) { node; node }` in ONNX text; arrays become initializers."""
    model = onnx.parser.parse_model(f'<ir_version: {ir}, opset_import: ["": {opset}]> {text.replace(";", " ")}')
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in initializers.items())
    return model


def mlp(rng=None, widths=(6, 8, 5, 3), activation="Relu", opset=21):
    """A plain perceptron x [n, 6] -> y [n, 3] with tensors a0, a1 behind its activations."""
    rng = rng or np.random.default_rng(0)
    nodes, arrays, last = [], {}, len(widths) - 2
    for i, (inner, outer) in enumerate(pairwise(widths)):
        arrays[f"W{i}"] = rng.normal(0, inner**-0.5, (inner, outer)).astype(np.float32)
        arrays[f"b{i}"] = rng.normal(0, 0.3, outer).astype(np.float32)
        source = f"a{i - 1}" if i else "x"
        nodes.append(f"{'y' if i == last else f'z{i}'} = Gemm({source}, W{i}, b{i})")
        if i < last:
            nodes.append(f"a{i} = {activation}(z{i})")
    text = f"mlp (float[n, {widths[0]}] x) => (float[n, {widths[-1]}] y) {{ {'; '.join(nodes)} }}"
    return parse(text, opset, **arrays)


def run(model, feeds, optimised=True, outputs=None):
    """Outputs by name, of a path or ModelProto, from ONNX Runtime itself on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model)
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = outputs or [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def input_name(model):
    """The name of a model's first input that is no initializer."""
    proto = model if isinstance(model, onnx.ModelProto) else onnx.load(model)
    weights = {t.name for t in proto.graph.initializer}
    return next(value.name for value in proto.graph.input if value.name not in weights)


def operators(model):
    """The operators of a model's nodes, in order."""
    return [node.op_type for node in model.graph.node]


def relative(found, expected):
    """Relative distance in L2 of two arrays of one shape; infinite where the shapes differ."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        return np.inf
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


def cosine(found, expected):
    """Cosine of the angle between two arrays taken as vectors."""
    found, expected = np.ravel(found).astype(np.float64), np.ravel(expected).astype(np.float64)
    return float(found @ expected / (np.linalg.norm(found) * np.linalg.norm(expected)))


def value_info(name, shape, dtype=onnx.TensorProto.FLOAT):
    """A tensor's declaration."""
    return helper.make_tensor_value_info(name, dtype, shape)
