"""The pathway gradient: options of its selector, and what many rows hold."""

import weakref

import numpy as np

import onnxpath
from onnxpath.attribution.methods import pathway_gradient
from onnxpath.pathway.trace import trace
from tests.models import relative, sample, sample_images


def attribute(x, **options):
    return onnxpath.attribute(onnxpath.load(sample("digits_cnn"), providers="cpu"), x, **options)


def test_options_of_the_selector_are_options_of_the_method():
    x = sample_images()[:2]
    found = attribute(x, selector="random", seed=5, sparsity=0.5)
    assert found.options["seed"] == 5 and found.options["selector"] == "random"
    same = onnxpath.critical_pathway(sample("digits_cnn"), x, selector="random", seed=5, sparsity=0.5)
    assert [p.jaccard(q) for p, q in zip(found.pathways, same, strict=True)] == [1, 1]
    assert found.pathways[0].base_sparsity is None
    counted = attribute(x, activity=True)
    assert counted.pathways[0].base_sparsity > 0 and counted.pathways[0].dead_fraction == 0


def test_the_quadrature_of_a_selector_is_an_option_too():
    x = sample_images()[:2]
    found = [
        attribute(x, selector="neuron-intgrad", n_steps=2, quadrature=q).values
        for q in ("midpoint", "gausslegendre", "midpoint")
    ]
    assert relative(found[0], found[2]) == 0 < relative(found[0], found[1])


def test_masks_that_were_fed_are_not_held_until_the_last_row(monkeypatch):
    alive = []

    def watched(*given):
        for part in trace(*given):
            assert not any(held() for held in alive[:-1])
            alive.append(weakref.ref(part))
            yield part

    monkeypatch.setattr(pathway_gradient, "trace", watched)
    onnxpath.attribute(onnxpath.load(sample("digits_cnn"), memory=1 << 20), np.repeat(sample_images(), 4, axis=0))
    assert len(alive) > 3
