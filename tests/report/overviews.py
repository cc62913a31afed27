"""Reports with the figures of many inputs, made up for the tests: a few classes, a thousand, names that are HTML."""

import dataclasses

import numpy as np

from onnxpath.report.class_overlap import ClassOverlap
from onnxpath.report.data import ClassRef, Item, Prediction
from onnxpath.report.figures import Figures

from . import samples


def one(index, classes, name):
    rng = np.random.default_rng(index)
    label, sure = int(rng.integers(classes)), float(rng.beta(4, 1))
    said = label if rng.random() < sure else int((label + rng.integers(1, 4)) % classes)
    pathway = dataclasses.replace(
        samples.item(1).pathway,
        density=float(rng.normal(0.1, 0.01)),
        margin=float(rng.normal(2)),
        kept=index % 7 > 0,
        softmax=sure,
    )
    refs = ClassRef(label, name.format(label)), ClassRef(said, name.format(said))
    told = [Prediction(said, refs[1].name, 1.0, sure), Prediction(said + 1, "next", 0.0, 1 - sure)]
    return Item(f"set/{index}.png", "x", refs[0], told, refs[1], pathway, seconds=sure)


def report(inputs, classes, name="class {}"):
    """A report of 30 items with the figures of `inputs` inputs."""
    made = samples.report(30)
    made.figures = Figures(one(index, classes, name) for index in range(inputs))
    kept = min(classes, 16)
    values = np.linspace(0.1, 0.6, kept * kept).reshape(kept, kept).tolist()
    names = [name.format(index) for index in range(kept)]
    made.class_overlap = ClassOverlap(
        names, list(range(kept)), [8] * kept, [9] * kept, [[None, *row[1:]] for row in values], 0.5, 0.25, classes
    )
    return made


CASES = {
    "two classes": lambda: report(300, 2),
    "ten classes": lambda: report(2000, 10),
    "a thousand classes": lambda: report(4000, 1000),
    "unusual": lambda: report(300, 5, samples.NASTY.replace("{", "").replace("}", "") + "{}"),
}
