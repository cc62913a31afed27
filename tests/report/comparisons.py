"""Comparisons made up for the tests: none, one, many inputs, runs, and one of everything unusual."""

import numpy as np

from onnxpath.batch.comparison import Comparison, LayerPair, compared
from onnxpath.report.colour import make_map
from onnxpath.report.compared import ComparePage, summarise_comparison, to_show
from onnxpath.report.data import Failure, Item
from tests.pathway.analyses.made import drawn

from . import samples


def row(index, pairs, shapes, methods=("gradient",), activations=True, name="set/{}.png"):
    rng = np.random.default_rng(index)
    logits = rng.normal(size=(2, 3))
    logits[1] = logits[0] if index % 4 else logits[0][::-1]
    pathways = drawn(index, 0.3, shapes), drawn(index + 500, 0.3, shapes)
    maps = {m: (rng.normal(size=(3, 8, 8)), rng.normal(size=(3, 8, 8))) for m in methods}
    differences = tuple(rng.uniform(0, 0.2, len(pairs))) if activations else None
    target = int(logits[0].argmax())
    return compared(
        name.format(index),
        index % 3,
        (logits[0], logits[1]),
        (target, target),
        pathways if pairs else None,
        pairs,
        maps,
        differences,
    )


def comparison(count=8, layers=5, activations=True, name="set/{}.png", layer="layer{}", **more):
    shapes = tuple((layer.format(i), (6, 4)) for i in range(layers))
    pairs = tuple(
        LayerPair(n, n, "name" if i % 2 else "order and shape", (f"conv{i}",)) for i, (n, _) in enumerate(shapes)
    )
    rows = tuple(row(i, pairs, shapes, activations=activations, name=name) for i in range(count))
    more.setdefault("notes", [f"layers: {layers} matched"])
    return Comparison("a.onnx", "b.onnx", pairs, (), (), 0.05, rows, **more)


def page(found, pictures=True, **more):
    made = ComparePage(
        "0.0",
        "A against B",
        samples.model(),
        samples.model(),
        samples.run(),
        found,
        summarise_comparison(found),
        **more,
    )
    if pictures:
        made.items = [item(row.name, i) for i, row in enumerate(to_show(found))]
    return made


def item(name, index):
    rng = np.random.default_rng(index)
    maps = [make_map(f"gradient in {side}", rng.normal(size=(3, 16, 16)), 0) for side in "AB"]
    shown = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Item(name, name, maps=maps, arrays="arrays/x.npz", shown=shown)


def unusual():
    """Names that are HTML, more layers than bars, vectors without pictures, inputs of one run alone, failures."""
    nasty = samples.NASTY.replace("{", "").replace("}", "")
    found = comparison(
        9, 150, name=nasty + "{}", layer=nasty + "{}", notes=[nasty], only_one=(nasty,) * 7, only_other=(nasty,)
    )
    made = page(found, quantised=True, classes=[nasty] * 3, failures=[Failure(nasty, nasty)], warnings=[nasty])
    made.items[0] = Item(nasty + "0", nasty, maps=[make_map(nasty, np.arange(-8.0, 8.0), None)], arrays='a"b.npz')
    return made


CASES = {
    "none": lambda: page(comparison(0)),
    "one": lambda: page(comparison(1)),
    "many": lambda: page(comparison(40), quantised=True),
    "runs": lambda: page(comparison(8, activations=False, only_one=("x",)), pictures=False),
    "no layers": lambda: page(comparison(8, 0)),
    "unusual": unusual,
}
