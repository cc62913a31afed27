"""Hostile models: what is known to be dangerous, changes that keep the protobuf whole, and bytes that do not."""

import numpy as np
import onnx

from tests.fuzz.changes import growth, nodes, tensors
from tests.fuzz.damage import damaged
from tests.models import mlp, parse, sample

CLIP = "m (float[n, 1, 16, 16] x) => (float[n, 4] y) "
TEXTS = (
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); r = Relu(m); y = Softmax(r) }",
    CLIP + "{ r = Relu(x); g = GlobalAveragePool(r); f = Flatten(g); y = MatMul(f, v) }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); s = Shape(m); z = ConstantOfShape(s); a = Add(m, z); y = Relu(a) }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); y = If(c) <then_branch = t () => (t1) { t1 = Relu(m) },"
    " else_branch = e () => (e1) { e1 = Neg(m) }> }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); y = Loop(n3, c, m) <body = b (int64 i, bool k, float[n, 4] s)"
    " => (bool k1, float[n, 4] s1) { k1 = Identity(k); s1 = Relu(s) }> }",
)


def sources():
    """Models that mutations start from."""
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(256, 4)), "v": rng.normal(size=(1, 4))}
    arrays = {name: value.astype(np.float32) for name, value in arrays.items()}
    small = [parse(text, **arrays, c=np.bool_(True), n3=np.int64(3)) for text in TEXTS]
    return [*small, mlp(), *(onnx.load(sample(name)) for name in ("digits_cnn", "digits_resnet", "digits_vit"))]


CHANGES = (*tensors.CHANGES, *nodes.CHANGES, *growth.CHANGES)


def hostile_model(rng):
    """Serialized bytes of a model with one to three changes, or with damaged bytes; and what was done to it."""
    found = sources()
    index = int(rng.integers(len(found)))
    model = found[index]
    if rng.random() < 0.15:
        return damaged(rng, model.SerializeToString()), f"source {index}, bytes"
    done = []
    for change in rng.choice(len(CHANGES), int(rng.integers(1, 4))):
        if model.graph.initializer and model.graph.node:
            CHANGES[change](rng, model)
            done.append(CHANGES[change].__name__)
    return model.SerializeToString(), f"source {index}, {', '.join(done)}"
