"""A map compared with Captum's in both precisions, and what Captum is given: rows, baselines, activations.

Each case is compared twice: float32 by ONNX Runtime, and float64 by onnx's reference evaluator.
"""

import numpy as np
import pytest

import onnxpath
from tests.conftest import absent
from tests.models import relative
from tests.parity import record
from tests.reference_model import in_double

if missing := absent("captum", "torch"):
    pytest.skip(missing, allow_module_level=True)

import torch

from tests.attribution.captum_networks import NETWORKS, RECTIFIED, TARGETS, exported, network, rows

SINGLE, DOUBLE = 1e-3, 1e-6
STEPS = 6

every_network = pytest.mark.parametrize("name", NETWORKS)
rectified = pytest.mark.parametrize("name", RECTIFIED)


def check(method, oracle, name, expected, title="", **asked):
    """Compare a map with Captum's in both precisions; asked: what `attribute` is given besides model and rows."""
    x, proto = rows(name)[0], exported(name)
    title, asked = title or method, {"target": TARGETS, "method": method} | asked
    single = onnxpath.attribute(onnxpath.load(proto, providers="cpu"), x, **asked)
    near = record(title, f"Captum {oracle}", name, "float32", relative(single.values, expected))
    with in_double(proto) as model:
        double = onnxpath.attribute(model, x.astype(np.float64), **asked)
    assert double.values.dtype == np.float64
    nearer = record(title, f"Captum {oracle}", name, "float64", relative(double.values, expected))
    assert near <= SINGLE and nearer <= DOUBLE
    return double


def inputs(name):
    return torch.tensor(rows(name)[0]).double()


def starts(name):
    """Three baselines, and the first of them."""
    sample = torch.tensor(rows(name)[1]).double()
    return sample, sample[:1]


def activation(name, index):
    """A module that computes an activation, and its tensor in the ONNX model."""
    layers = onnxpath.load(exported(name), providers="cpu").layers()
    return getattr(network(name), f"activation_{index}"), layers[index].name


def middle(name):
    """An activation halfway."""
    return activation(name, len(onnxpath.load(exported(name), providers="cpu").layers()) // 2)


def unpooled(values, indices, kernel_size, stride=None, padding=0, output_size=None):
    """torch's max_unpool2d writes each place once; where windows overlap, what several give to one must be added."""
    flat = torch.zeros(*output_size[:2], output_size[2] * output_size[3], dtype=values.dtype)
    return flat.scatter_add(2, indices.flatten(2), values.flatten(2)).reshape(output_size)
