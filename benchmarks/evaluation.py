"""The papers' evaluations on real networks: LeRF, MoRF, sanity checks, localisation, beside the baselines.

    python -m benchmarks.evaluation --network resnet20 --images 100         numbers into docs/results/evaluation.json
    python -m benchmarks.evaluation --network squeezenet --images 200       all boxed images, hours on 2 cores
    python -m benchmarks.evaluation --throughput                            cost beside plain forward passes
    python -m benchmarks.evaluation --tables                                those numbers as tables in the pages beside

What is there already for a network, metric and method, with as many images or more, is not measured again, so that a
run that was stopped goes on. Needs the models and images that ONNXPATH_DATA names (default ../shared/data).
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.evaluation_masks import composites, strokes
from benchmarks.evaluation_page import fill
from benchmarks.evaluation_tables import METHODS_OF_THE_PAPERS, tables
from benchmarks.evaluation_throughput import throughput
from benchmarks.machine import machine
from benchmarks.pathway_quality import DATA, IMAGENET
from onnxpath.attribution.methods import METHODS
from onnxpath.batch.boxes import carried, read_boxes
from onnxpath.batch.preprocess import Preprocess
from onnxpath.evaluation.evaluate import SAMPLES, only_correct
from onnxpath.evaluation.explanation import Explanation, Make, parse_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.plan import Plan, plan
from onnxpath.evaluation.result import Score
from onnxpath.evaluation.subject import Subject
from onnxpath.files import write_bytes
from onnxpath.runtime.model import load
from onnxpath.runtime.session import Array

DIGITS = 4
"""Significant digits kept of every image's value; the tables' verdicts are computed from them."""

MEMORY = 100 << 20
"""Bytes of one run: gradients of few images at a time stay in the cache, and take a third less time on SqueezeNet."""


@dataclass(frozen=True)
class Network:
    """A network, its preprocessing, its images, and the sparsity of its pathways.

    The sparsity is the one of docs/results/pathway-quality.md at which the softmax of the masked network is off by
    about 15 %, the papers' rule.
    """

    file: str
    preprocess: Preprocess
    sparsity: float
    images: str = "boxed"


NETWORKS = {
    "resnet20": Network("resnet20_cifar10", Preprocess(scale=1 / 255, **IMAGENET), 0.9, images="cifar"),
    "squeezenet": Network("squeezenet1_1", Preprocess(resize=(224, 224), scale=1 / 255, **IMAGENET), 0.9),
    "mobilenet": Network(
        "mobilenet_v2_1.0_224",
        Preprocess(resize=(224, 224), scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3),
        0.8,
    ),
    "mnist-strokes": Network("mnist8_cntk", Preprocess(), 0.9, images="strokes"),
    "cifar-composites": Network("resnet20_cifar10", Preprocess(scale=1 / 255, **IMAGENET), 0.9, images="composites"),
}

CIFAR, BOXED = "cifar10_test_100_lossless.npz", "imagenet_val_bbox_200.zip"


@dataclass(frozen=True)
class Group:
    """Metrics that are measured together: their options, and on how many of the images at most."""

    metrics: list[str]
    options: dict[str, Any]
    images: int


SEGMENTATION = ("segmentation-miou", "pixel-accuracy", "pointing-game", "energy-pointing-game")
REMOVAL = ("deletion", "insertion", "road", "region-perturbation")
LOCALISATION = ("pointing-game", "energy-pointing-game", "outside-inside-ratio", "box-iou")


def subject_of(network: Network, images: int, **loading: Any) -> Subject:
    """Return the network on its first images: of ImageNet with their boxes, of the others the correctly classified.

    loading: how the network is loaded, as `load` takes it; the pictures with masks take the defaults.
    """
    if network.images == "strokes":
        return strokes(DATA, images)
    if network.images == "composites":
        return composites(DATA, images, network.preprocess)
    model = load(DATA / "models" / f"{network.file}.onnx", **loading)
    if network.images == "cifar":
        with np.load(DATA / "images" / CIFAR) as data:
            pictures, labels = [Image.fromarray(p) for p in data["images"]], data["labels"]
        x = np.stack([network.preprocess.apply(picture)[0] for picture in pictures[:images]])
        return only_correct(Subject.of(model, x), labels[:images])
    rows, boxes = [], []
    with zipfile.ZipFile(DATA / "images" / BOXED) as archive:
        table = next(name for name in archive.namelist() if name.endswith(".csv"))
        known = _boxes(archive.read(table))
        for member in sorted(n for n in archive.namelist() if n.endswith(".JPEG"))[:images]:
            picture = Image.open(io.BytesIO(archive.read(member))).convert("RGB")
            rows.append(network.preprocess.apply(picture)[0])
            listed = np.asarray(known[Path(member).name], float).reshape(-1, 4)
            boxes.append(carried(listed, picture.size, network.preprocess))
    return Subject.of(model, np.stack(rows), boxes=boxes)


def _boxes(text: bytes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "boxes.csv")
        file.write_bytes(text)
        return dict(read_boxes(file))


def methods_of(network: Network) -> tuple[list[str], list[str]]:
    """Return the methods of the papers with their options, and those that there are none of."""
    wanted = [label.format(sparsity=network.sparsity) for label in METHODS_OF_THE_PAPERS]
    there = [label for label in wanted if label.partition(":")[0] in METHODS.names()]
    for label in there:
        parse_method(label)
    return there, [label for label in wanted if label not in there]


def measure(
    results: dict[str, Any], name: str, subject: Subject, methods: list[str], groups: list[Group], out: Path
) -> None:
    """Measure on a network what is missing, method by method, and write the file after each."""
    cells = results[name].setdefault("cells", {})
    plans = [planned(group, subject, methods) for group in sorted(groups, key=lambda g: -g.images)]
    for row in zip(*(everything.explanations for everything in plans), strict=True):
        make = once(row[0])
        for everything, explanation in zip(plans, row, strict=True):
            images = everything.subject.rows
            todo = [
                (metric, options)
                for metric, options in everything.metrics
                if cells.get(metric.name, {}).get(explanation.label, {}).get("images", 0) < images
            ]
            if not todo:
                continue
            began = time.process_time()
            one = replace(everything, explanations=[replace(explanation, make=make)], metrics=todo)
            one.scores, one.skipped = [], []
            for _ in one.run():
                pass
            for metric, _ in todo:
                scores = [score for score in one.scores if score.metric == metric.name]
                cells.setdefault(metric.name, {})[explanation.label] = {
                    "images": images,
                    "baseline": explanation.baseline,
                    "skipped": one.skipped,
                    "variants": {score.variant: _cell(score) for score in scores},
                }
            names = ", ".join(metric.name for metric, _ in todo)
            print(
                f"{explanation.label}, {images}: {names} {time.process_time() - began:.0f} s", *one.skipped, flush=True
            )
            save(results, out)


def planned(group: Group, subject: Subject, methods: list[str]) -> Plan:
    """Return a group's plan on its first images, with those of its options that its metrics know."""
    known = {name for metric in group.metrics for name in METRICS.get(metric).defaults}
    options = {name: value for name, value in group.options.items() if name in known}
    return plan(subject.take(np.arange(min(group.images, subject.rows))), methods, group.metrics, SAMPLES, options)


def once(explanation: Explanation) -> Make:
    """Return how maps are made, but those of the unchanged model once: the first of them serve fewer images too."""
    held: list[Array] = []

    def make(given: Subject) -> Array:
        if given.model is not explanation.subject.model:
            return explanation.make(given)
        if not held:
            held.append(explanation.make(explanation.subject))
        return held[0][: given.rows]

    return make


def _cell(score: Score) -> dict[str, Any]:
    def short(values: Sequence[float | None]) -> list[float | None]:
        return [None if value is None else float(f"{value:.{DIGITS}g}") for value in values]

    curve = None if score.curve is None else short(score.curve.mean)
    return {"better": score.better, "values": short(score.values), "curve": curve}


def save(results: dict[str, Any], path: Path) -> None:
    """Write the file, a line for each method."""
    write_bytes(path, (json.dumps(results, separators=(",", ":")).replace('},"', '},\n"') + "\n").encode())


def main() -> None:
    """Measure, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=list(NETWORKS), action="append", help="repeat for more")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--degradation-images", type=int, help="for LeRF and MoRF; default all")
    parser.add_argument("--sanity-images", type=int, default=16)
    parser.add_argument("--threads", type=int, help="of one operator; default: one per core")
    parser.add_argument("--metrics", nargs="+", default=[], help="only these")
    parser.add_argument("--out", type=Path, default=Path("docs/results/evaluation.json"))
    parser.add_argument("--throughput", action="store_true")
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    results = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for name in arguments.network or (["resnet20", "squeezenet"] if arguments.throughput else []):
        network, found = NETWORKS[name], results.setdefault(name, {})
        if arguments.throughput:
            subject = subject_of(network, 4 if network.images == "boxed" else 20)
            found["throughput"] = {"about": machine(), "metrics": throughput(subject)}
            print(name, json.dumps(found["throughput"], indent=1))
            save(results, arguments.out)
            continue
        subject = subject_of(network, arguments.images, threads=arguments.threads, memory=MEMORY)
        methods, missing = methods_of(network)
        rows = max(subject.rows, found.get("rows", 0))
        found |= {"about": machine(), "rows": rows, "missing": missing, "sparsity": network.sparsity}
        measure(results, name, subject, methods, groups_of(network, subject.rows, arguments), arguments.out)
    if arguments.tables:
        folder = arguments.out.parent
        write_bytes(folder / "evaluation-tables.md", tables(results).encode())
        page = folder / "evaluation.md"
        write_bytes(page, fill(page.read_text(encoding="utf-8"), results).encode())


def groups_of(network: Network, rows: int, arguments: argparse.Namespace) -> list[Group]:
    """Return what is measured on a network, of the metrics that were asked for."""
    sanity = Group(["cascading-randomisation"], {}, arguments.sanity_images)
    degradation = Group(["lerf", "morf"], {"replace": "zero"}, min(rows, arguments.degradation_images or rows))
    groups = {
        "cifar": [degradation, Group(list(REMOVAL), {}, rows), sanity],
        "boxed": [Group(list(LOCALISATION), {}, rows), degradation, sanity],
        "strokes": [Group(list(SEGMENTATION), {}, rows)],
        "composites": [Group(list(SEGMENTATION), {}, rows)],
    }[network.images]
    chosen = [replace(g, metrics=[m for m in g.metrics if m in (arguments.metrics or g.metrics)]) for g in groups]
    return [group for group in chosen if group.metrics]


if __name__ == "__main__":
    main()
