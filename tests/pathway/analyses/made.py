"""Pathways made up for the tests of analyses."""

import numpy as np

from onnxpath.pathway.pathway import LayerCount, Pathway, Readings


def pathway(masks, inactive=None, target=0, softmax=(0.8, 0.4)):
    """A pathway of these masks (layer -> bool array); inactive: layer -> bool array."""
    inactive = inactive or {}
    layers = tuple(
        LayerCount(
            name,
            mask.size,
            int(mask.sum()),
            int((~inactive[name]).sum()) if name in inactive else None,
            int((mask & inactive[name]).sum()) if name in inactive else None,
        )
        for name, mask in masks.items()
    )
    kept = sum(int(masks[name].sum()) for name in inactive)
    dead = sum(int((masks[name] & inactive[name]).sum()) for name in inactive)
    return Pathway(
        masks=masks,
        selector="made",
        scope="global",
        sparsity=0.9,
        target=target,
        original=Readings(target, 2.0, softmax[0], 1.0),
        masked=Readings(target, 1.0, softmax[1], 0.5),
        layers=layers,
        base_sparsity=None,
        dead_fraction=dead / kept if kept else None,
    )


def drawn(seed, density=0.2, shapes=(("a", (3, 4, 4)), ("b", (7,))), target=0):
    """A pathway of independent draws."""
    rng = np.random.default_rng(seed)
    return pathway({name: rng.random(shape) < density for name, shape in shapes}, target=target)


def neurons(masks):
    """A pathway's neurons as a set of (layer, index), counted one by one."""
    return {(name, i) for name, mask in masks.items() for i, kept in enumerate(mask.reshape(-1).tolist()) if kept}
