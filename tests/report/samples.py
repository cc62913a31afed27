"""Reports made up for the tests: none, one, many inputs, and one of everything unusual."""

import numpy as np

from onnxpath.report.colour import make_map
from onnxpath.report.data import (
    ClassRef,
    ExcludedLayer,
    Failure,
    Item,
    LayerCount,
    ModelFacts,
    NeuronLayer,
    PathwayFacts,
    Prediction,
    Report,
    RunFacts,
    TensorFacts,
)

NASTY = '<script>alert("1")</script>&\'"><img src=x onerror=alert(2)>'


def model() -> ModelFacts:
    return ModelFacts(
        "models/tiny.onnx",
        "ab" * 32,
        8,
        17,
        "hand",
        [TensorFacts("input", "float32", ("N", 3, 16, None))],
        [TensorFacts("logits", "float32", ("N", 3))],
        12345,
        7,
        [NeuronLayer("relu1", "Relu", 400, (4, 10, 10))],
        [ExcludedLayer("relu9", "only pooling lies between it and the output")],
        ["a trailing Softmax was skipped"],
    )


def run() -> RunFacts:
    return RunFacts(
        "CPUExecutionProvider",
        {"onnxruntime": "1.22"},
        0,
        {"layout": "NCHW", "mean": [0.5, 0.5, 0.5], "crop": None},
        "neuron-mct",
        0.9,
        "global",
        ["gradient"],
        "onnxpath report tiny.onnx images",
        "2026-01-02",
        {"load": 0.25, "run": 12.0},
    )


def item(index: int, size: int = 16) -> Item:
    rng = np.random.default_rng(index)
    kept = index % 3 != 0
    cat, dog = ClassRef(0, "cat"), ClassRef(1, "dog")
    layers = [
        LayerCount("relu1", 400, 40 + index % 7, 200, [3, 0, 2], [0.6125, 0.25, 0.0012]),
        LayerCount("relu2", 100, 0, 50),
    ]
    pathway = PathwayFacts(
        "neuron-mct", 0.9, 0.08, 5.0, 4.0, cat, cat if kept else dog, kept, 0.5, 0.0, 0.9, 0.8, 1.5, layers
    )
    return Item(
        f"set/{index}.png",
        f"images/set/{index}.png",
        cat if index % 2 else dog,
        [Prediction(0, "cat", 5.0, 0.9), Prediction(1, "dog", -1.25, 0.1)],
        cat,
        pathway,
        [make_map("gradient", rng.normal(size=(3, size, size)), 0)],
        0.01,
        ["the margin is small"] if index % 4 == 1 else [],
        f"arrays/{index}.npz",
        rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
    )


def report(count: int, size: int = 16) -> Report:
    return Report("0.0", f"{count} inputs", model(), run(), [item(index, size) for index in range(count)])


def unusual() -> Report:
    """No pathway, no picture, no predictions, no softmax, vectors, zeros, a hundred layers, and text that is HTML."""
    vectors = [make_map("gradient", np.arange(-8.0, 8.0), None), make_map("long", np.ones((2000, 4)), 1)]
    deep = item(0)
    assert deep.pathway is not None
    deep.pathway.layers = [LayerCount(f"layer{i}", 10, i % 10, None, [i % 7], [i / 150]) for i in range(150)]
    deep.pathway.base_sparsity = deep.pathway.dead_fraction = deep.pathway.margin = None
    items = [
        Item(NASTY, NASTY, ClassRef(None, NASTY), maps=vectors, warnings=[NASTY], arrays='a"b/c d.npz'),
        Item("bare", "bare.npy"),
        Item("no softmax", "x.npy", predictions=[Prediction(0, NASTY, 1e-9)]),
        Item("zeros, no picture", "z.npy", maps=[make_map("gradient", np.zeros((8, 8)), None)]),
        deep,
    ]
    bare_run = RunFacts("CPUExecutionProvider")
    return Report("0.0", NASTY, model(), bare_run, items, [Failure(NASTY, f"two\nlines {NASTY}")], [NASTY])


CASES = {"none": lambda: report(0), "one": lambda: report(1), "many": lambda: report(30), "unusual": unusual}
