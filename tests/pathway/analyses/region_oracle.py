"""Small piecewise affine networks, and their linear regions in float64 by onnx's reference evaluator."""

import numpy as np
import onnx

import onnxpath
from tests.check import reference, to_double
from tests.models import mlp, parse

HIGH = 0.5
RNG = np.random.default_rng(3)


def weights(*shape):
    return RNG.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32)


def residual():
    text = """m (float[n, 2, 6, 6] x) => (float[n, 3] y) {
        p = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, W0, B0); a = Relu(p);
        q = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a, W1); b = Clip(q, low, high);
        r = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(b, W2); s = Add(r, a); c = Relu(s);
        g = GlobalAveragePool(c); f = Flatten(g); y = Gemm(f, W3, B3) }"""
    return parse(
        text,
        **{"W0": weights(4, 2, 3, 3), "B0": weights(4), "W1": 2 * weights(4, 4, 3, 3), "W2": weights(4, 4, 3, 3)},
        **{"W3": weights(4, 3), "B3": weights(3), "low": np.float32(0), "high": np.float32(HIGH)},
    )


def pooling():
    """Overlapping windows with padding, and a second pooling whose input is no activation."""
    text = """m (float[n, 1, 9, 9] x) => (float[n, 3] y) {
        p = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, W0, B0); a = Relu(p);
        m1 = MaxPool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(a);
        q = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(m1, W1);
        m2 = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(q);
        c = Relu(m2); g = GlobalMaxPool(c); f = Flatten(g); h = Gemm(f, W3, B3); y = LeakyRelu(h) }"""
    parts = {"W0": weights(3, 1, 3, 3), "B0": weights(3), "W1": weights(4, 3, 3, 3)}
    return parse(text, **parts, W3=weights(4, 3), B3=weights(3))


NETWORKS = {"residual": (residual(), (2, 6, 6)), "pooling": (pooling(), (1, 9, 9)), "mlp": (mlp(), (6,))}


class Oracle:
    """A network, or the masked network of a pathway: what it says, its gradient, which branch every unit is in."""

    def __init__(self, model, pathway=None):
        self.kept = dict(pathway.masks) if pathway else {}
        self.output = model.graph.output[0].name
        self.nodes = [node for node in model.graph.node if node.op_type in BRANCHES]
        masked = onnxpath.insert_masks(model) if pathway else model
        watched = dict.fromkeys(node.input[0] for node in self.nodes)
        self.forward = to_double(onnxpath.expose(masked, list(watched)))
        self.backward = onnxpath.gradient_graph(to_double(masked), wrt=["x"], of=[self.output])
        self.masks = {f"mask_{name}": mask[None].astype(np.float64) for name, mask in self.kept.items()}

    def values(self, x):
        return {name: value[0] for name, value in reference(self.forward, {"x": x[None], **self.masks}).items()}

    def logits(self, x):
        return self.values(x)[self.output]

    def gradient(self, x, target):
        seed = np.eye(len(self.logits(x)))[target][None]
        return reference(self.backward, {"x": x[None], f"grad_{self.output}": seed, **self.masks})["grad_x"][0]

    def branches(self, x):
        """Node output -> branch of every kept unit; of a pooling, the flat place of the winner in its channel."""
        values, result = self.values(x), {}
        for node in self.nodes:
            name, z = node.output[0], values[node.input[0]]
            # What is exposed is the activation before its mask.
            z = z * self.kept[node.input[0]] if node.input[0] in self.kept else z
            branch = BRANCHES[node.op_type](node, z)
            result[name] = np.where(self.kept[name], branch, 0) if name in self.kept else branch
        return result


def winners(node, z):
    """The winner of every window, found one window at a time."""
    if node.op_type == "GlobalMaxPool":
        return z.reshape(len(z), -1).argmax(1)
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    kernel, strides, pads = given["kernel_shape"], given["strides"], given.get("pads", [0] * 4)
    height, width = z.shape[1:]
    count = [(size + pads[i] + pads[i + 2] - kernel[i]) / strides[i] + 1 for i, size in enumerate((height, width))]
    rows, columns = (int(np.ceil(c) if given.get("ceil_mode") else np.floor(c)) for c in count)
    result = np.full((len(z), rows, columns), -1)
    for c, i, j in np.ndindex(*result.shape):
        best = -np.inf
        for u, v in np.ndindex(*kernel):
            a, b = i * strides[0] - pads[0] + u, j * strides[1] - pads[1] + v
            if 0 <= a < height and 0 <= b < width and z[c, a, b] > best:
                best, result[c, i, j] = z[c, a, b], a * width + b
    return result


BRANCHES = {
    "Relu": lambda node, z: (z > 0).astype(int),
    "LeakyRelu": lambda node, z: (z > 0).astype(int),
    "Clip": lambda node, z: (z > 0).astype(int) + (z > HIGH),
    "MaxPool": winners,
    "GlobalMaxPool": winners,
}
