"""ROAR and KAR: does a network that is trained anew without the highest ranked pixels miss them?

    python -m benchmarks.roar                       MNIST, 57 trainings; stopped and started again, it goes on
    python -m benchmarks.roar --most 3              the clean networks alone
    python -m benchmarks.roar --kind kar            the lowest ranked pixels go
    python -m benchmarks.roar --places              a network that sees only where pixels were removed
    python -m benchmarks.roar --data cifar          ResNet-8 on CIFAR-10, for a GPU
    python -m benchmarks.roar --table               the table of what is there

Trainings are kept in the folder `--work` one by one; the table's numbers go into docs/results/roar-<data>-<kind>.json
(with `-absolute` where that ranking was asked for, and `-places`).
Needs the images that ONNXPATH_DATA names (default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.machine import machine
from benchmarks.pathway_quality import DATA
from benchmarks.roar_networks import mnist_cnn, resnet8
from onnxpath.evaluation.roar.removal import removed
from onnxpath.evaluation.roar.study import Study
from onnxpath.evaluation.training.data import Augmentation, Examples
from onnxpath.evaluation.training.optimiser import Adam
from onnxpath.evaluation.training.train import Recipe
from onnxpath.files import write_bytes
from onnxpath.runtime.model import load

METHODS = (
    "gradient",
    "input-x-gradient",
    "guided-backprop",
    "pathway-gradient:sparsity=0.9",
)
BASELINES = ("random", "edges")


@dataclass(frozen=True)
class Setting:
    """A network, its examples, its recipe, and the clean accuracy below which nothing counts."""

    network: Callable[[], onnx.ModelProto]
    examples: Callable[[], tuple[Examples, Examples]]
    recipe: Recipe
    least: float


def mnist() -> tuple[Examples, Examples]:
    """The first 2,000 of the 3,000 images to train on, the last 1,000 to test."""
    with np.load(DATA / "images" / "mnist_test.npz") as held:
        x = ((held["images"][:, None] / 255 - 0.1307) / 0.3081).astype(np.float32)
        labels = held["labels"].astype(np.int64)
    return Examples(x[:2000], labels[:2000]), Examples(x[2000:], labels[2000:])


def cifar() -> tuple[Examples, Examples]:
    """The 10,000 training and 1,000 test images, with RoarTorch's mean and deviation."""
    mean, deviation = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2470, 0.2435, 0.2616])
    parts = []
    for name in ("cifar10_train_10000", "cifar10_test_1000"):
        with np.load(DATA / "images" / f"{name}.npz") as held:
            x = ((held["images"] / 255 - mean) / deviation).astype(np.float32).transpose(0, 3, 1, 2)
            parts.append(Examples(x, held["labels"].astype(np.int64)))
    return parts[0], parts[1]


SETTINGS = {
    "mnist": Setting(
        mnist_cnn, mnist, Recipe(Adam(2e-3, weight_decay=1e-4), epochs=12, batch=64, decay_every=4), least=0.9
    ),
    "cifar": Setting(
        resnet8,
        cifar,
        Recipe(Adam(1e-3, weight_decay=1e-4), augmentation=Augmentation(4, True), validation=1 / 8),
        least=0.65,
    ),
}


def main() -> None:
    """Train what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(SETTINGS), default="mnist")
    parser.add_argument("--kind", choices=["roar", "kar"], default="roar")
    parser.add_argument("--ranking", choices=["signed", "absolute"], default="signed")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--percents", nargs="+", type=float, default=[10, 50, 90])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--most", type=int, help="stop after this many trainings")
    parser.add_argument("--places", action="store_true", help="train on where pixels were removed, and nothing else")
    parser.add_argument("--threads", type=int, help="of one operator; default: one per core")
    parser.add_argument("--work", type=Path, default=Path("build"), help="where trainings are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    setting, name = SETTINGS[arguments.data], f"roar-{arguments.data}-{arguments.kind}"
    train, test = setting.examples()
    study = Study(
        load(setting.network(), threads=arguments.threads),
        train,
        test,
        arguments.methods,
        arguments.work / f"{name}-{arguments.ranking}",
        BASELINES,
        arguments.percents,
        arguments.seeds,
        setting.recipe,
        arguments.kind,
        arguments.ranking,
        least=setting.least,
    )
    name += "-absolute" * (arguments.ranking == "absolute")
    if arguments.places:
        found = {"machine": machine(), **of_places(study)}
        write_bytes(arguments.out / f"{name}-places.json", (json.dumps(found, indent=1) + "\n").encode())
        return
    if not arguments.table:
        work(study, arguments.most)
        about = {"machine": machine(), **study.result().as_dict()}
        write_bytes(arguments.out / f"{name}.json", (json.dumps(about, indent=1) + "\n").encode())
    print(study.result().to_text())


def work(study: Study, most: int | None) -> None:
    """Train, and say after each training how long the rest will take."""
    began, total = time.perf_counter(), len(study.keys())
    done = len(study.points())
    for count, point in enumerate(study.run(), 1):
        to_go = (time.perf_counter() - began) / count * (total - done - count)
        print(
            f"{done + count} of {total}: {point.method} {point.percent:g} % seed {point.seed}: "
            f"{100 * point.accuracy:.1f} %, {point.seconds:.0f} s; about {to_go / 60:.0f} min to go",
            flush=True,
        )
        if count == most:
            return


def of_places(study: Study) -> dict[str, dict[str, list[float]]]:
    """Return method -> percentage -> test accuracy by seed of networks that see 1 where removed, 0 elsewhere."""
    found: dict[str, dict[str, list[float]]] = {}
    ones = np.ones(study.train.x.shape[1], np.float32)
    for label in study.labels:
        rankings = study.rankings(label)
        for percent in study.percents:
            parts = [
                part.with_x(removed(np.zeros_like(part.x), ranking, percent, study.kind, ones, study.layout))
                for part, ranking in zip((study.train, study.test), rankings, strict=True)
            ]
            accuracies = []
            for seed in study.seeds:
                trained = study.trainer.fit(parts[0], seed, study.layout)
                accuracies.append(study.trainer.accuracy(study.trainer.state_of(trained.weights), parts[1]))
            found.setdefault(label, {})[f"{percent:g}"] = accuracies
            print(f"{label}, {percent:g} %: {' '.join(f'{100 * a:.1f}' for a in accuracies)}", flush=True)
    return found


if __name__ == "__main__":
    main()
