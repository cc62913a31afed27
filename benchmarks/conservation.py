"""Is relevance conserved, node by node and cut by cut? The numbers of docs/results/relevance.md.

    python -m benchmarks.conservation      the sample models, ResNets, SqueezeNet, MobileNetV2: 1 minute of CPU time

Needs the models and images that ONNXPATH_DATA names (default ../shared/data); without them, the sample models and a
50-layer residual network with random weights alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

import onnxpath
from benchmarks.machine import heading, machine
from benchmarks.networks import resnet
from benchmarks.pathway_quality import DATA, SUBJECTS
from benchmarks.pathway_quality import rows as images
from onnxpath.attribution.conservation import Passage, conservation, worst
from tests.models import sample, sample_images

RAP: tuple[dict[str, Any], ...] = ({}, {"published": True})
LRP: tuple[dict[str, Any], ...] = ({"composite": "epsilon-plus"}, {"composite": "epsilon-plus-flat"})
HEAD = (
    "| model | method | rows | nodes | worst node | worst cut | sum − logit "
    "| Σ\\|R\\| / \\|logit\\| | excess | leaks at |\n" + "| --- " * 10 + "|"
)
LEAK = 1e-4
"""The part of the logit above which a node is named."""


def subjects(rows: int) -> Iterator[tuple[str, Any, np.ndarray[Any, Any], list[tuple[str, dict[str, Any]]]]]:
    """Yield (name, model, inputs, (method, options) of each run)."""
    both = [*(("rap", o) for o in RAP), *(("lrp", o) for o in LRP)]
    for name in ("digits_cnn", "digits_resnet"):
        yield name, sample(name), sample_images(), both
    yield "digits_vit", sample("digits_vit"), sample_images(), [("lrp", {"composite": "attnlrp"})]
    for name in ("resnet20_cifar10", "squeezenet1_1", "mobilenet_v2_1.0_224"):
        if (DATA / "models" / f"{name}.onnx").exists():
            yield name, DATA / "models" / f"{name}.onnx", images(SUBJECTS[name], rows), both
    noise = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    yield "ResNet-50, random weights", resnet((3, 4, 6, 3), True), noise, [*both, ("rap", {"released": True})]


def measure(model: onnxpath.Model, x: Any, method: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what one method kept and lost on one model."""
    passages = conservation(model, x, method=method, **options)
    found = onnxpath.attribute(model, x, method=method, **options)
    start = np.abs(passages[0].given)
    sizes = np.abs(found.values).reshape(len(x), -1).sum(1, dtype=np.float64)
    shifted = [float((np.abs(p.excess) / start).max()) for p in passages if p.excess is not None]
    return {
        "nodes": len(passages),
        "node": max(float((np.abs(p.lost) / start).max()) for p in passages),
        "cut": max(float((np.abs(p.cut - passages[0].given) / start).max()) for p in passages),
        "sum": float((np.abs(np.asarray(found.delta)) / start).max()),
        "size": float(np.median(sizes / start)),
        "finite": bool(np.isfinite(found.values).all()),
        "excess": max(shifted, default=None),
        "leaks": [named(p, start) for p in worst(passages, 3) if (np.abs(p.lost) / start).max() > LEAK],
        "leaking": sum(bool((np.abs(p.lost) / start).max() > LEAK) for p in passages),
    }


def named(passage: Passage, start: Any) -> str:
    """Return a node and what it lost of the logit."""
    return f"{passage.node} ({passage.operator}) {(np.abs(passage.lost) / start).max():.2%}"


def row(name: str, method: str, options: dict[str, Any], rows: int, found: dict[str, Any]) -> str:
    """Return one line of the table."""
    said = ", ".join([method, *(str(v) if k == "composite" else k for k, v in options.items())])
    excess = "" if found["excess"] is None else f"{found['excess']:.2g}"
    leaks = f"{found['leaking']} of {found['nodes']}: {', '.join(found['leaks'])}" if found["leaks"] else "none"
    size = f"{found['size']:.3g}" if found["finite"] else "not finite"
    parts = [f"{found[k]:.1e}" for k in ("node", "cut", "sum")]
    cells = [name, said, rows, found["nodes"], *parts, size, excess, leaks]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table, and write the numbers with --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8, help="images of the real models")
    parser.add_argument("--json", help="a file for the numbers")
    arguments = parser.parse_args()
    print(heading(machine()), HEAD, sep="\n\n", flush=True)
    table = []
    for name, source, x, runs in subjects(arguments.rows):
        model = onnxpath.load(source, providers="cpu")
        for method, options in runs:
            found = measure(model, x, method, options)
            table.append({"model": name, "method": method, "options": options, "rows": len(x), **found})
            print(row(name, method, options, len(x), found), flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"about": machine(), "table": table}, file, indent=1)


if __name__ == "__main__":
    main()
