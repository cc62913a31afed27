"""What the tests of several methods share."""

import numpy as np

import onnxpath

AVERAGES = ("expected-gradients", "gradient-shap", "deeplift-shap")
LAYER = ("layer-activation", "layer-gradient-x-activation", "conductance", "internal-influence")
OF_A_LAYER = (*LAYER, "neuron-conductance")


def attribute(model, x, method, target=None, **options):
    """`onnxpath.attribute` on the CPU."""
    return onnxpath.attribute(onnxpath.load(model, providers="cpu"), x, target, method, **options)


def normal_of(rng):
    """Return f(*shape), which draws float32 arrays from a generator: each file has its own."""
    return lambda *shape: rng.normal(size=shape).astype(np.float32)
