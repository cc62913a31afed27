"""The linear radius of networks with many layers: one program for all kinks finds what one for each does."""

import numpy as np
import pytest

import onnxpath
from onnxpath.pathway.analyses import region
from onnxpath.runtime.session import Session
from tests.models import parse, sample, sample_images


def load(model):
    return onnxpath.load(model, providers="cpu")


@pytest.mark.parametrize("name", ["digits_cnn", "digits_resnet"])
@pytest.mark.parametrize("masked", [False, True])
def test_one_program_for_all_kinks_finds_what_one_for_each_does(name, masked, monkeypatch):
    x = sample_images()[:1] + np.random.default_rng(0).uniform(0, 1 / 255, sample_images()[:1].shape)
    x = x.astype(np.float32)
    found = onnxpath.critical_pathway(load(sample(name)), x, sparsity=0.5) if masked else None
    (each,) = onnxpath.linear_radius(load(sample(name)), x, found, units=12)
    monkeypatch.setattr(region, "PROGRAMS", 0)
    (one,) = onnxpath.linear_radius(load(sample(name)), x, found, units=12)
    assert one.units == each.units and one.layers == pytest.approx(each.layers, rel=1e-5)
    assert (one.nearest.layer, one.nearest.unit) == (each.nearest.layer, each.nearest.unit)
    assert one.nearest.rival == each.nearest.rival
    for source, direction in each.nearest.direction.items():
        np.testing.assert_allclose(one.nearest.direction[source], direction, atol=1e-6)


def test_hundreds_of_layers_open_two_programs(monkeypatch):
    """Every layer bends where x is zero, which is |x| away however deep it lies and whatever its gradient is."""
    opened, init = [], Session.__init__

    def counted(session, model, *settings, **named):
        opened.append(model)
        init(session, model, *settings, **named)

    monkeypatch.setattr(Session, "__init__", counted)
    layers = "".join(f"h{i} = Relu(g{i}); g{i + 1} = Mul(h{i}, part); " for i in range(300))
    deep = parse(
        f"m (float[n, 2] x) => (float[n, 2] y) <float part = {{0.99}}> {{ g0 = Neg(x); {layers} y = Neg(g300) }}"
    )
    (found,) = onnxpath.linear_radius(load(deep), np.float32([[-3.0, -4.0]]))
    assert found.units == 600 and list(found.layers.values()) == pytest.approx([3.0] * 300, rel=1e-4)
    assert found.radius == pytest.approx(3.0, rel=1e-4) and len(opened) <= 3
    np.testing.assert_allclose(found.nearest.direction["x"], [1, 0], atol=1e-6)
